"""Batched matrix products, which take most of a step."""

from collections.abc import Callable

import tensorflow as tf

from cyclegan.ops.fusion_barrier import fusion_barrier

MatMul = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def matmul_bfloat16(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """x [..., n, p] @ y [..., p, q] in the dtype of x, with operands rounded to bfloat16 (8 bits) and sums in float32. Under XLA only."""
    dtype = x.dtype

    def product(x: tf.Tensor, y: tf.Tensor, adj_y: bool = False) -> tf.Tensor:
        return tf.cast(tf.raw_ops.BatchMatMulV3(x=x, y=y, Tout=tf.float32, adj_y=adj_y), dtype)

    @tf.custom_gradient
    def multiply(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        x, y = tf.cast(x, tf.bfloat16), tf.cast(y, tf.bfloat16)

        def gradient(dz: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            dz = tf.cast(dz, tf.bfloat16)
            return product(dz, y, adj_y=True), product(fusion_barrier(tf.linalg.matrix_transpose, x), dz)

        return product(x, y), gradient

    return multiply(x, y)
