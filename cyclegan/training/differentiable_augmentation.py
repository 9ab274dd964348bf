"""Differentiable augmentation of what the discriminators see, real or made (DiffAugment; Zhao et al., arXiv 2006.10738, section 3).

Few images no longer suffice for a discriminator to learn them by heart. Gradients pass to the generators through the augmentation.
"""

from collections.abc import Callable

import tensorflow as tf

SHIFT = 0.125  # of the side, at most
CUT = 0.5  # of the side
PARAMETERS = {
    "color": ("brightness", "saturation", "contrast"),
    "translation": ("down", "right"),
    "cutout": ("cutout row", "cutout column"),
}
"""Random numbers of each kind of augmentation, one per image and parameter."""


def augment(
    images: tf.Tensor, kinds: tuple[str, ...], uniform: Callable[[str], tf.Tensor], channel_mask: tf.Tensor | None = None
) -> tf.Tensor:
    """Augment images `[2, B, H, W, C]` in [-1, 1], each by its own random numbers; same shape.

    kinds: of PARAMETERS, applied in its order. uniform: parameter → numbers `[2, B]` in [0, 1). channel_mask: as in `losses.l1_loss`; other
    channels stay 0.
    """
    if "color" in kinds:
        images = _coloured(images, uniform, channel_mask)
    if "translation" in kinds:
        images = _shifted(images, uniform)
    if "cutout" in kinds:
        images = _cut(images, uniform)
    return images


def _coloured(x: tf.Tensor, uniform: Callable[[str], tf.Tensor], mask: tf.Tensor | None) -> tf.Tensor:
    """Brightness ± 0.5, saturation × 0 to 2, contrast × 0.5 to 1.5."""
    weight = tf.ones([1, 1, 1, 1, x.shape[-1]], x.dtype) if mask is None else mask
    weight /= tf.reduce_sum(weight, -1, keepdims=True)

    def grey(x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(x * weight, -1, keepdims=True)

    x += _wide(uniform("brightness")) - 0.5
    x = (x - grey(x)) * _wide(2 * uniform("saturation")) + grey(x)
    mean = tf.reduce_mean(grey(x), [2, 3], keepdims=True)
    x = (x - mean) * _wide(uniform("contrast") + 0.5) + mean
    return x if mask is None else x * mask


def _shifted(x: tf.Tensor, uniform: Callable[[str], tf.Tensor]) -> tf.Tensor:
    """Shifted by up to an eighth of each side; zeros come in."""
    _, _, height, width, _ = x.shape
    # Products with shift matrices, since XLA on CPU would gather pixel by pixel.
    x = tf.einsum("dbij,dbjwc->dbiwc", _shifts(uniform("down"), height, x.dtype), x)
    return tf.einsum("dbij,dbhjc->dbhic", _shifts(uniform("right"), width, x.dtype), x)


def _shifts(uniform: tf.Tensor, side: int, dtype: tf.DType) -> tf.Tensor:
    """Matrices [2, B, side, side] that shift by a whole number of pixels each."""
    most = int(side * SHIFT + 0.5)
    by = _whole(uniform, 2 * most + 1) - most
    to, source = tf.range(side)[:, None], tf.range(side)
    return tf.cast(to - by[..., None, None] == source, dtype)


def _cut(x: tf.Tensor, uniform: Callable[[str], tf.Tensor]) -> tf.Tensor:
    """A rectangle of half of each side, anywhere, perhaps beyond the edge, is 0."""
    _, _, height, width, _ = x.shape
    rows, columns = _inside(uniform("cutout row"), height), _inside(uniform("cutout column"), width)
    return tf.where((rows[..., :, None] & columns[..., None, :])[..., None], tf.zeros([], x.dtype), x)


def _inside(uniform: tf.Tensor, side: int) -> tf.Tensor:
    """Whether each of `side` positions is cut: [2, B, side]."""
    length = int(side * CUT + 0.5)
    first = (_whole(uniform, side + 1 - length % 2) - length // 2)[..., None]
    position = tf.range(side)
    return (position >= first) & (position < first + length)


def _whole(uniform: tf.Tensor, count: int) -> tf.Tensor:
    """Whole numbers below `count` from numbers in [0, 1)."""
    return tf.cast(tf.floor(uniform * count), tf.int32)


def _wide(per_image: tf.Tensor) -> tf.Tensor:
    return per_image[:, :, None, None, None]
