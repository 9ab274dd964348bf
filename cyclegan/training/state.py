"""All there is to save of a training: two learners and the image pools (position and seed are plain numbers beside them)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cyclegan.config import ModelConfig, TrainConfig
from cyclegan.networks.discriminator import discriminator_shapes
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.generator import generator_shapes
from cyclegan.training.adam import Learner, make_learner
from cyclegan.training.image_pool import Pool, make_pool

Arrays = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class TrainingState:
    """Variables of one worker. Weights, moments and counts are equal on all workers; the pools are those of its own rows."""

    generator_layout: FlatParameters
    discriminator_layout: FlatParameters
    generators: Learner
    discriminators: Learner
    pool: Pool

    def variables(self) -> dict[str, tf.Variable]:
        """All of them, by the names of the arrays: `generators.*`, `discriminators.*`; `pool.images` `[2, B, size, H, W, C]`,
        `pool.filled` `[2, B, size]`.
        """
        learners = {"generators": self.generators, "discriminators": self.discriminators}
        shared = {f"{pair}.{name}": variable for pair, learner in learners.items() for name, variable in learner.variables().items()}
        return {**shared, **self._pools()}

    def views(self, shared: bool) -> Arrays:
        """The pools, and what all workers hold alike if asked for, without a copy: to be copied before the next step."""
        variables = self.variables() if shared else self._pools()
        return {name: np.asarray(variable.read_value()) for name, variable in variables.items()}

    def assign(self, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Take over values from arrays by the names of `variables`. Raises ValueError on another shape."""
        for name, variable in self.variables().items():
            variable.assign(arrays[name])

    def assign_initial(self, seed: int) -> None:
        """Initial weights from (seed, parameter name); moments, counts and pools empty."""
        for learner, layout in ((self.generators, self.generator_layout), (self.discriminators, self.discriminator_layout)):
            for variable in learner.variables().values():
                variable.assign(tf.zeros_like(variable))
            learner.weights.assign(layout.initial(seed))
        for variable in self._pools().values():
            variable.assign(tf.zeros_like(variable))

    def _pools(self) -> dict[str, tf.Variable]:
        return {"pool.images": self.pool.images, "pool.filled": self.pool.filled}


def make_state(model: ModelConfig, train: TrainConfig, size: tuple[int, int], dtype: tf.DType = tf.float32) -> TrainingState:
    """All variables as zeros, for `train.batch` crops of `size` (height, width) per worker."""
    generator_layout = FlatParameters(generator_shapes(model), dtype)
    discriminator_layout = FlatParameters(discriminator_shapes(model), dtype)
    return TrainingState(
        generator_layout=generator_layout,
        discriminator_layout=discriminator_layout,
        generators=make_learner(generator_layout.size, dtype),
        discriminators=make_learner(discriminator_layout.size, dtype),
        pool=make_pool(train.batch, train.pool_size, (*size, model.channels), dtype),
    )
