import numpy as np
import tensorflow as tf

from cyclegan.ops.matmul import matmul_bfloat16

RNG = np.random.default_rng(0)


def rounded(x):
    return tf.cast(tf.cast(x, tf.bfloat16), tf.float64).numpy()


def test_operands_are_rounded_but_sums_are_not():
    x, y, dz = (tf.constant(RNG.normal(size=shape), tf.float32) for shape in ((3, 20, 70), (3, 70, 10), (3, 20, 10)))

    @tf.function(jit_compile=True)
    def value_and_gradients(x, y):
        with tf.GradientTape() as tape:
            tape.watch((x, y))
            z = matmul_bfloat16(x, y)
        return z, *tape.gradient(z, (x, y), dz)

    z, dx, dy = value_and_gradients(x, y)
    # float32 rounding in sums of 70 products of a few units.
    np.testing.assert_allclose(z, rounded(x) @ rounded(y), atol=1e-5)
    np.testing.assert_allclose(dx, rounded(dz) @ rounded(y).transpose(0, 2, 1), atol=1e-5)
    np.testing.assert_allclose(dy, rounded(x).transpose(0, 2, 1) @ rounded(dz), atol=1e-5)
    assert {z.dtype, dx.dtype, dy.dtype} == {tf.float32}
