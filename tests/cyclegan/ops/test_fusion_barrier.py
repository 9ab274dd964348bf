import numpy as np
import tensorflow as tf

from cyclegan.ops.fusion_barrier import fusion_barrier

RNG = np.random.default_rng(0)


def test_xla_does_not_fuse_across_it():
    x = tf.constant(RNG.normal(size=(2, 30, 20)), tf.float32)

    def product(x):
        return fusion_barrier(tf.linalg.matrix_transpose, x) @ x

    compiled = tf.function(product, jit_compile=True)
    np.testing.assert_allclose(compiled(x), tf.linalg.matmul(x, x, transpose_a=True), atol=1e-5)
    assert " conditional(" in compiled.experimental_get_compiler_ir(x)(stage="optimized_hlo")


def test_same_result_for_finite_and_non_finite_values():
    for first in (1.0, np.inf, np.nan):
        x = tf.constant([[first, 2.0], [3.0, -4.0]])
        np.testing.assert_array_equal(fusion_barrier(tf.transpose, x), tf.transpose(x))


def test_equal_layers_are_traced_once():
    traced = []

    def doubled(x):
        traced.append(x.shape)
        return 2 * x

    @tf.function(jit_compile=True)
    def layers(x):
        return fusion_barrier(doubled, fusion_barrier(doubled, x) + 1) + fusion_barrier(doubled, x[:2])[0, 0]

    np.testing.assert_array_equal(layers(tf.ones([3, 4])), np.full((3, 4), 8))
    assert traced == [[3, 4], [3, 4], [2, 4], [2, 4]]  # each shape once for either branch
