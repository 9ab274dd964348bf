"""Norms followed by their activation, with a hand-written gradient."""

from collections.abc import Callable

import tensorflow as tf

EPSILON = 1e-5


def instance_norm(x: tf.Tensor, slope: float | None) -> tf.Tensor:
    """Normalise each image and channel to mean 0, variance 1 (arXiv 1607.08022; no affine part), then activate.

    x and result: [2, B, H, W, C], any float dtype. slope: of the leaky ReLU for negative values, below 1; 0.0 means plain ReLU, None
    no activation. The variance is the population's, plus 1e-5.
    """
    return _normalized(x, slope, _mean)


def normalized(x: tf.Tensor, norm: str, slope: float | None, affine: tuple[tf.Tensor, tf.Tensor] | None, alone: bool) -> tf.Tensor:
    """Normalise as `model.norm` says, scale and shift, then activate.

    norm: "instance"; "batch": each channel over all images, of one direction (arXiv 1502.03167); or "none". affine: scale and shift
    [2, C], if there are any. alone: whether batch norm takes each image's own mean and variance, as a batch of this image alone would.
    There are no running averages: the reference code translates without them too, unless it is called with --eval.
    x, result and slope are those of `instance_norm`.
    """
    mean = None if norm == "none" else _mean if norm == "instance" or alone else _batch_mean
    if mean is None or affine:
        y = x if mean is None else _normalized(x, None, mean)
        if affine:
            y = y * affine[0][:, None, None, None] + affine[1][:, None, None, None]
        return y if slope is None else leaky_relu(y, slope)
    return _normalized(x, slope, mean)


def leaky_relu(x: tf.Tensor, slope: float) -> tf.Tensor:
    """x where it is positive, else slope x; slope below 1."""
    return tf.maximum(x, slope * x)


def _normalized(x: tf.Tensor, slope: float | None, mean_of: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    with tf.name_scope("norm") as scope:

        @tf.custom_gradient
        def normalise(x: tf.Tensor) -> tuple[tf.Tensor, object]:
            mean = mean_of(x)
            centred = x - mean
            inverse = tf.math.rsqrt(mean_of(tf.square(centred)) + EPSILON)

            def gradient(dy: tf.Tensor) -> tf.Tensor:
                with tf.name_scope(scope):
                    # x̂ is computed again, which is cheaper than keeping another activation in memory.
                    normal = (x - mean) * inverse
                    dz = dy if slope is None else tf.where(normal > 0, dy, slope * dy)
                    return inverse * (dz - mean_of(dz) - normal * mean_of(dz * normal))

            normal = centred * inverse
            return normal if slope is None else tf.maximum(normal, slope * normal), gradient

        return normalise(x)


def _batch_mean(x: tf.Tensor) -> tf.Tensor:
    """Mean over B, H and W: [2, 1, 1, 1, C]."""
    return tf.reduce_mean(_mean(x), 1, keepdims=True)


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
