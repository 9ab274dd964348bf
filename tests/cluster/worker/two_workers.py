"""A process of `worker/test_strategy.py`: the first steps of one of n workers, saved as arrays. Argument: where to save."""

import json
import os
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cluster.worker.strategy import EXCHANGES, make_strategy, mean_over_workers, runner, set_threads
from cyclegan.config import ModelSpec, TrainConfig
from cyclegan.training.image_pool import pool_draws
from cyclegan.training.passes import make_passes
from cyclegan.training.state import make_state
from cyclegan.training.step import make_step
from tests.cyclegan.snapshot import snapshot

SIZE, GLOBAL_BATCH, STEPS = 24, 2, 3
EXACT = 8


def vector_of(rank: int) -> npt.NDArray[np.float32]:
    """A vector of a worker to all-reduce besides its training: values of many magnitudes."""
    random = np.random.default_rng(rank)
    return (random.normal(size=1001) * 10.0 ** random.integers(-8, 2, 1001)).astype(np.float32)


def main(output: str) -> None:
    configuration = json.loads(os.environ["TF_CONFIG"])
    rank, workers = configuration["task"]["index"], len(configuration["cluster"]["worker"])
    set_threads(1)
    strategy = make_strategy(60.0, gpu=False)
    for dtype in (tf.float32, tf.float64):
        np.savez(f"{output}-{dtype.name}.npz", **train(strategy, rank, workers, dtype))
    np.savez(f"{output}-allreduce.npz", **{name: exchanged(strategy, rank, name) for name in EXCHANGES})


def exchanged(strategy: tf.distribute.Strategy, rank: int, allreduce_dtype: str) -> npt.NDArray[np.float32]:
    """The mean of the workers' vectors by one all-reduce in `allreduce_dtype`."""
    vector = tf.constant(vector_of(rank))
    result: npt.NDArray[np.float32] = tf.function(lambda: strategy.run(EXCHANGES[allreduce_dtype], (vector, EXACT)))().numpy()
    return result


def train(strategy: tf.distribute.Strategy, rank: int, workers: int, dtype: tf.DType) -> dict[str, npt.NDArray[Any]]:
    """The first gradients, and weights and moments after all steps."""
    model = ModelSpec(filters=4, blocks=1, discriminator_filters=4, convolution="plain")
    config = TrainConfig(batch=GLOBAL_BATCH // workers, pool_size=0)
    state = make_state(model, config, (SIZE, SIZE), dtype)
    passes = make_passes(state, model, config)
    step = make_step(passes, mean_over_workers, runner(strategy))
    state.assign_initial(0)
    rows = np.arange(GLOBAL_BATCH)[rank::workers]
    saved = {}
    for number in range(STEPS):
        images = np.random.default_rng(number).integers(0, 256, (2, GLOBAL_BATCH, SIZE, SIZE, 3), np.uint8)[:, rows]
        draws = pool_draws(0, number * GLOBAL_BATCH, rows, GLOBAL_BATCH, 0)
        step(tf.constant(images), tf.constant(draws), tf.zeros(2, dtype), tf.constant(2e-4))
        if number == 0:
            # Adam's first moment after one step is (1 - beta1) times the exchanged gradient.
            saved["generator gradient"] = state.generators.m.numpy() / (1 - config.beta1)
            saved["discriminator gradient"] = state.discriminators.m.numpy() / (1 - config.beta1)
    return {**saved, **snapshot(state)}


if __name__ == "__main__":
    main(sys.argv[1])
