"""All there is to save of a training: two learners and the image pools (position and seed are plain numbers beside them)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cyclegan.adam import Learner, make_learner
from cyclegan.config import ModelConfig, TrainConfig
from cyclegan.discriminator import discriminator_shapes
from cyclegan.generator import generator_shapes
from cyclegan.image_pool import Pool, make_pool
from cyclegan.layout import Layout

Arrays = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class TrainingState:
    """Variables of one worker. Weights, moments and counts are equal on all workers; the pools are those of its own rows."""

    generator_layout: Layout
    discriminator_layout: Layout
    generators: Learner
    discriminators: Learner
    pool: Pool

    def shared_arrays(self) -> Arrays:
        """Snapshots of what all workers hold alike: `generators.*` and `discriminators.*`. Later steps do not change them."""
        return {name: variable.numpy() for name, variable in self._shared().items()}

    def pool_arrays(self) -> Arrays:
        """Snapshots of this worker's pools: pictures `[2, B, size, H, W, C]` and filled `[2, B, size]`."""
        return {"pool.pictures": self.pool.pictures.numpy(), "pool.filled": self.pool.filled.numpy()}

    def views(self, shared: bool) -> Arrays:
        """The pools, and what is shared if asked for, without a copy: to be copied before the next step."""
        variables = {"pool.pictures": self.pool.pictures, "pool.filled": self.pool.filled} | (self._shared() if shared else {})
        return {name: np.asarray(variable.read_value()) for name, variable in variables.items()}

    def assign(self, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Take over values from arrays as given by `shared_arrays` and `pool_arrays`. Raises ValueError on another shape."""
        for name, variable in self._shared().items():
            variable.assign(arrays[name])
        self.pool.pictures.assign(arrays["pool.pictures"])
        self.pool.filled.assign(arrays["pool.filled"])

    def assign_initial(self, seed: int) -> None:
        """Initial weights from (seed, parameter name); moments, counts and pools empty."""
        for learner, layout in ((self.generators, self.generator_layout), (self.discriminators, self.discriminator_layout)):
            for variable in learner.variables().values():
                variable.assign(tf.zeros_like(variable))
            learner.weights.assign(layout.initial(seed))
        self.pool.pictures.assign(tf.zeros_like(self.pool.pictures))
        self.pool.filled.assign(tf.zeros_like(self.pool.filled))

    def variables(self) -> dict[str, tf.Variable]:
        """All of them, by the names of the arrays."""
        return {**self._shared(), "pool.pictures": self.pool.pictures, "pool.filled": self.pool.filled}

    def _shared(self) -> dict[str, tf.Variable]:
        learners = {"generators": self.generators, "discriminators": self.discriminators}
        return {f"{pair}.{name}": variable for pair, learner in learners.items() for name, variable in learner.variables().items()}


def make_state(model: ModelConfig, train: TrainConfig, size: tuple[int, int], dtype: tf.DType = tf.float32) -> TrainingState:
    """All variables as zeros, for `train.batch` crops of `size` (height, width) per worker."""
    generator_layout = Layout(generator_shapes(model), dtype)
    discriminator_layout = Layout(discriminator_shapes(model), dtype)
    return TrainingState(
        generator_layout=generator_layout,
        discriminator_layout=discriminator_layout,
        generators=make_learner(generator_layout.size, dtype),
        discriminators=make_learner(discriminator_layout.size, dtype),
        pool=make_pool(train.batch, train.pool_size, (*size, model.channels), dtype),
    )
