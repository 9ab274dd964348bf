"""Instance normalisation followed by its activation, with a hand-written gradient."""

import tensorflow as tf

EPSILON = 1e-5


def instance_norm(x: tf.Tensor, slope: float | None) -> tf.Tensor:
    """Normalise each image and channel to mean 0, variance 1 (arXiv 1607.08022; no affine part), then activate.

    x and result: [2, B, H, W, C], any float dtype. slope: of the leaky ReLU for negative values, below 1; 0.0 means plain ReLU, None
    no activation. The variance is the population's, plus 1e-5.
    """

    @tf.custom_gradient
    def normalise(x: tf.Tensor) -> tuple[tf.Tensor, object]:
        mean = _mean(x)
        centred = x - mean
        inverse = tf.math.rsqrt(_mean(tf.square(centred)) + EPSILON)

        def gradient(dy: tf.Tensor) -> tf.Tensor:
            # x̂ is computed again, which is cheaper than keeping another activation in memory.
            normal = (x - mean) * inverse
            dz = dy if slope is None else tf.where(normal > 0, dy, slope * dy)
            return inverse * (dz - _mean(dz) - normal * _mean(dz * normal))

        normal = centred * inverse
        return normal if slope is None else tf.maximum(normal, slope * normal), gradient

    return normalise(x)


def _mean(x: tf.Tensor) -> tf.Tensor:
    """Mean over H and W: [2, B, 1, 1, C].

    The sum over H is a matrix product with ones: XLA on CPU computes the operands of a product once, in order, whereas it would fuse x,
    back to the convolution that made it, into every reduction that reads it; and one reduction over both axes is 4 to 10 times slower.
    """
    # Each subscript of a dynamic shape adds five operations to the graph: a third of the time to trace a generator.
    directions, batch, height, width, c = x.shape if x.shape.is_fully_defined() else tf.unstack(tf.shape(x))
    ones = tf.ones((directions, batch, 1, height), x.dtype)
    columns = tf.reshape(ones @ tf.reshape(x, (directions, batch, height, width * c)), (directions, batch, 1, width, c))
    return tf.reduce_mean(columns, 3, keepdims=True) / tf.cast(height, x.dtype)
