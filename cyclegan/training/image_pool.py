"""Image pools: discriminators are trained with a history of generated images (paper, section 4: a buffer of 50).

Each row of the global batch has its own pool for each direction. What a pool does at a step is drawn on the host from
(seed, position, row, direction), so a resumed run, or a run with another number of workers, makes the same draws.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ringcycle.hashing import below, hash64

NO_SLOT = -1


@dataclass(frozen=True)
class ImagePool:
    """Pools of this worker's B rows.

    images: variable `[2, B, size, H, W, C]` in [-1, 1]. filled: variable `[2, B, size]` bool, false where a slot is still empty,
    at first or because its image was not finite.
    """

    images: tf.Variable
    filled: tf.Variable


def make_image_pool(batch: int, size: int, image: tuple[int, int, int], dtype: tf.DType) -> ImagePool:
    """Empty pools for `batch` rows of images (H, W, C)."""
    return ImagePool(
        images=tf.Variable(tf.zeros([2, batch, size, *image], dtype), trainable=False),
        filled=tf.Variable(tf.zeros([2, batch, size], tf.bool), trainable=False),
    )


def pool_draws(seed: int, position: int, rows: npt.NDArray[np.int64], global_batch: int, size: int) -> npt.NDArray[np.int32]:
    """What the pools of global-batch `rows` do at `position`: `[2, B, 2]` int32 of (slot, take).

    While a pool fills up: (next slot, 0), return the new image and store it. Afterwards, with probability 1/2 each: (-1, 0), return the
    new image only; or (random slot, 1), return the image in that slot and store the new one there.
    """
    if size == 0:
        return np.zeros((2, len(rows), 2), np.int32)
    step = position // global_batch
    if step < size:
        return np.broadcast_to(np.array([step, 0], np.int32), (2, len(rows), 2)).copy()
    direction = np.arange(2)[:, None]
    # These texts are keys of random streams: changing a word would change all draws.
    take = below(2, hash64(seed, "pool: take an older picture", direction, step, rows))
    slot = below(size, hash64(seed, "pool: slot", direction, step, rows))
    return np.stack([np.where(take == 1, slot, NO_SLOT), take], axis=-1).astype(np.int32)


def query(pool: ImagePool, fakes: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Swap about half of the new fakes for older ones; the pool changes in place, and never stores a non-finite image.

    fakes and result: `[2, B, H, W, C]`. draws: `[2, B, 2]` int32 from `pool_draws`, or more columns, of which these are the first.
    """
    batch = fakes.shape[1]
    slot, take = draws[..., 0], draws[..., 1] == 1
    direction, row = tf.meshgrid(tf.range(2), tf.range(batch), indexing="ij")
    at = tf.stack([direction, row, tf.maximum(slot, 0)], axis=-1)
    # XLA has no kernel to gather from a variable itself.
    images, filled = pool.images.read_value(), pool.filled.read_value()
    older, was_filled = tf.gather_nd(images, at), tf.gather_nd(filled, at)
    finite = tf.reduce_all(tf.math.is_finite(fakes), axis=[2, 3, 4])
    keep = (slot != NO_SLOT) & finite
    pool.images.assign(tf.tensor_scatter_nd_update(images, at, tf.where(_wide(keep), fakes, older)))
    pool.filled.assign(tf.tensor_scatter_nd_update(filled, at, keep | was_filled))
    return tf.where(_wide(take & was_filled), older, fakes)


def _wide(per_image: tf.Tensor) -> tf.Tensor:
    return per_image[:, :, None, None, None]
