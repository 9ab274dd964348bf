"""Random numbers of a step, drawn on the host from (seed, purpose, direction, step, row of the global batch).

They enter the compiled units as integers. A resumed run, or a run with another number of workers, repeats them.
"""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cyclegan.config import TrainConfig
from cyclegan.training.gradient_penalty import MIX
from cyclegan.training.image_pool import pool_draws
from ringcycle.hashing import hash64

POOL = 2  # columns of `pool_draws`, which come first
BITS = 24  # all that a float32 in [0, 1) can hold


def purposes(train: TrainConfig) -> tuple[str, ...]:
    """What the discriminator pass needs a random number for, one per image, besides the pools. These are keys of random streams."""
    return (MIX,) if train.loss == "wgangp" else ()


def width(train: TrainConfig) -> int:
    """Columns of `step_draws`."""
    return POOL + len(purposes(train))


def step_draws(train: TrainConfig, position: int, rows: npt.NDArray[np.int64], global_batch: int) -> npt.NDArray[np.int32]:
    """All draws of the discriminator pass for global-batch `rows` at `position`: `[2, B, width]` int32.

    First those of `pool_draws`, then a column of BITS uniform bits for each of `purposes`.
    """
    pool = pool_draws(train.seed, position, rows, global_batch, train.pool_size)
    direction, step = np.arange(2)[:, None], position // global_batch
    random = [hash64(train.seed, purpose, direction, step, rows) >> np.uint64(64 - BITS) for purpose in purposes(train)]
    return np.concatenate([pool, *(bits[..., None].astype(np.int32) for bits in random)], axis=-1)


def uniform(draws: tf.Tensor, train: TrainConfig, purpose: str, dtype: tf.DType) -> tf.Tensor:
    """The random numbers in [0, 1) for one of `purposes`: `[2, B]`. draws: from `step_draws`."""
    return tf.cast(draws[..., POOL + purposes(train).index(purpose)], dtype) / 2**BITS
