import numpy as np
import tensorflow as tf

from cyclegan.ops.fusion_barrier import apart
from cyclegan.ops.matmul import in_bfloat16

RNG = np.random.default_rng(0)


def rounded(x):
    return tf.cast(tf.cast(x, tf.bfloat16), tf.float64).numpy()


def test_operands_are_rounded_and_sums_are_not():
    x, y, dz = (tf.constant(RNG.normal(size=shape), tf.float32) for shape in ((3, 20, 70), (3, 70, 10), (3, 20, 10)))

    @tf.function(jit_compile=True)
    def value_and_gradients(x, y):
        with tf.GradientTape() as tape:
            tape.watch((x, y))
            z = in_bfloat16(x, y)
        return z, *tape.gradient(z, (x, y), dz)

    z, dx, dy = value_and_gradients(x, y)
    # float32 sums of 70 products of a few units.
    np.testing.assert_allclose(z, rounded(x) @ rounded(y), atol=1e-5)
    np.testing.assert_allclose(dx, rounded(dz) @ rounded(y).transpose(0, 2, 1), atol=1e-5)
    np.testing.assert_allclose(dy, rounded(x).transpose(0, 2, 1) @ rounded(dz), atol=1e-5)
    assert {z.dtype, dx.dtype, dy.dtype} == {tf.float32}


def test_xla_fuses_nothing_across_what_is_apart():
    x = tf.constant(RNG.normal(size=(2, 30, 20)), tf.float32)

    def product(x):
        return apart(tf.linalg.matrix_transpose, x) @ x

    compiled = tf.function(product, jit_compile=True)
    np.testing.assert_allclose(compiled(x), tf.linalg.matmul(x, x, transpose_a=True), atol=1e-5)
    assert " conditional(" in compiled.experimental_get_compiler_ir(x)(stage="optimized_hlo")


def test_the_same_whether_finite_or_not():
    for first in (1.0, np.inf, np.nan):
        x = tf.constant([[first, 2.0], [3.0, -4.0]])
        np.testing.assert_array_equal(apart(tf.transpose, x), tf.transpose(x))


def test_what_is_apart_is_traced_once_for_layers_alike():
    traced = []

    def doubled(x):
        traced.append(x.shape)
        return 2 * x

    @tf.function(jit_compile=True)
    def layers(x):
        return apart(doubled, apart(doubled, x) + 1) + apart(doubled, x[:2])[0, 0]

    np.testing.assert_array_equal(layers(tf.ones([3, 4])), np.full((3, 4), 8))
    assert traced == [[3, 4], [3, 4], [2, 4], [2, 4]]  # and negated
