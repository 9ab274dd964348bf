"""Random numbers of a step, drawn on the host from (seed, purpose, direction, step, row of the global batch).

They enter the compiled units as integers. A resumed run, or a run with another number of workers, repeats them. Beside them enters what the
order of the images decides for each row: whether it holds a known pair.
"""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cyclegan.config import TrainConfig
from cyclegan.training.differentiable_augmentation import PARAMETERS
from cyclegan.training.gradient_penalty import MIX
from cyclegan.training.image_pool import pool_draws
from ringcycle.hashing import hash64

DROPOUT = "dropout"
"""Purpose of the seeds of dropout, one per image."""
SHOWN = JUDGED, REAL, FAKE = "generators' fake", "real", "fake"
"""What the discriminators see in a step: in the generators' pass, and in their own."""
POOL = 2  # columns of `pool_draws`, which come first
BITS = 24  # all that a float32 in [0, 1) can hold


def purposes(train: TrainConfig) -> tuple[str, ...]:
    """What a step needs a random number for, one per image, besides the pools. These are keys of random streams."""
    mix = (MIX,) if train.loss == "wgangp" else ()
    dropout = (DROPOUT,) if train.dropout else ()
    parameters = [parameter for kind in train.augmentations for parameter in PARAMETERS[kind]]
    return (*mix, *dropout, *(augmentation(shown, parameter) for shown in SHOWN for parameter in parameters))


def augmentation(shown: str, parameter: str) -> str:
    """Purpose of a parameter of differentiable augmentation, for one of SHOWN."""
    return f"differentiable augmentation of {shown}: {parameter}"


def in_generator_pass(train: TrainConfig) -> bool:
    """Whether the generator pass needs draws too."""
    return bool(train.dropout or train.augmentations or train.lambda_pairs)


def width(train: TrainConfig) -> int:
    """Columns of `step_draws`."""
    return POOL + len(purposes(train)) + bool(train.lambda_pairs)


def step_draws(
    train: TrainConfig, position: int, rows: npt.NDArray[np.int64], global_batch: int, paired: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.int32]:
    """All draws of a step for global-batch `rows` at `position`: `[2, B, width]` int32.

    First those of `pool_draws`, then a column of BITS uniform bits for each of `purposes`; last, with `train.lambda_pairs`, `paired`
    `[2, B]`: whether the images of a row are a known pair; None: none are.
    """
    pool = pool_draws(train.seed, position, rows, global_batch, train.pool_size)
    direction, step = np.arange(2)[:, None], position // global_batch
    random = [hash64(train.seed, purpose, direction, step, rows) >> np.uint64(64 - BITS) for purpose in purposes(train)]
    pairs = [np.zeros((2, len(rows)), np.bool_) if paired is None else paired] if train.lambda_pairs else []
    return np.concatenate([pool, *(column[..., None].astype(np.int32) for column in (*random, *pairs))], axis=-1)


def uniform(draws: tf.Tensor, train: TrainConfig, purpose: str, dtype: tf.DType) -> tf.Tensor:
    """The random numbers in [0, 1) for one of `purposes`: `[2, B]`. draws: from `step_draws`."""
    return tf.cast(bits(draws, train, purpose), dtype) / 2**BITS


def bits(draws: tf.Tensor, train: TrainConfig, purpose: str) -> tf.Tensor:
    """The random bits for one of `purposes`: `[2, B]` int32."""
    return draws[..., POOL + purposes(train).index(purpose)]


def pair_mask(draws: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """1 for the rows that hold a known pair, 0 for all others: `[2, B]`. draws: from `step_draws`, with `train.lambda_pairs`."""
    return tf.cast(draws[..., -1], dtype)
