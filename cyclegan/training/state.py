"""Everything a checkpoint saves of a training: weights with Adam's moments, and image pools; position and seed are plain numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cyclegan.config import ModelSpec, TrainConfig
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.initial_values import initial_values
from cyclegan.networks.shapes import discriminator_shapes, generator_shapes
from cyclegan.networks.spectral_norm import SpectralNorm, make_spectral_norm
from cyclegan.training.adam import AdamState, make_adam_state
from cyclegan.training.image_pool import ImagePool, make_image_pool

Arrays = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class TrainingState:
    """Variables of one worker. Weights, moments and update counts are equal on all workers; the pools belong to its own rows.

    average: of the generators' weights, unless `train.ema` is 0. spectral: vectors of the discriminators' spectral norm, if they have it.
    """

    generator_layout: FlatParameters
    discriminator_layout: FlatParameters
    generators: AdamState
    discriminators: AdamState
    pool: ImagePool
    average: tf.Variable | None
    spectral: SpectralNorm | None

    def variables(self) -> dict[str, tf.Variable]:
        """All variables by array name: `generators.*` (`generators.average` if there is one), `discriminators.*`
        (`discriminators.spectral` with spectral norm), `pool.images` `[2, B, size, H, W, C]`, `pool.filled` `[2, B, size]`.
        """
        pairs = {"generators": self.generators, "discriminators": self.discriminators}
        shared = {f"{pair}.{name}": variable for pair, adam in pairs.items() for name, variable in adam.variables().items()}
        average = {} if self.average is None else {"generators.average": self.average}
        spectral = {} if self.spectral is None else {"discriminators.spectral": self.spectral.vectors}
        return {**shared, **average, **spectral, **self._pools()}

    def views(self, shared: bool) -> Arrays:
        """The pools and, if `shared`, what is equal on all workers, without copying: copy the arrays before the next step.

        Counts of updates are converted to int32, as in the checkpoints of all versions.
        """
        variables = self.variables() if shared else self._pools()
        arrays = {name: np.asarray(variable.read_value()) for name, variable in variables.items()}
        return {name: array.astype(np.int32) if array.dtype == np.int64 else array for name, array in arrays.items()}

    def assign(self, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Set all variables from arrays named as in `variables`. Raises ValueError if a shape differs.

        Without an array for it, as in checkpoints of runs with `train.ema` = 0, the average begins at the weights.
        """
        values = {"generators.average": arrays["generators.weights"], **arrays}
        for name, variable in self.variables().items():
            variable.assign(values[name])

    def assign_initial(self, seed: int) -> None:
        """Draw initial weights from (seed, parameter name); reset moments, update counts and pools."""
        for adam, layout in ((self.generators, self.generator_layout), (self.discriminators, self.discriminator_layout)):
            for variable in adam.variables().values():
                variable.assign(tf.zeros_like(variable))
            adam.weights.assign(layout.initial(seed))
        if self.average is not None:
            self.average.assign(self.generators.weights)
        self._assign_spectral(seed)
        for variable in self._pools().values():
            variable.assign(tf.zeros_like(variable))

    def assign_weights(self, weights: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Set the weights of both pairs, and with them average and spectral vectors. Raises ValueError if a shape differs."""
        self.generators.weights.assign(weights["generators.weights"])
        self.discriminators.weights.assign(weights["discriminators.weights"])
        if self.average is not None:
            self.average.assign(self.generators.weights)
        self._assign_spectral(0)

    def _assign_spectral(self, seed: int) -> None:
        """Estimate the singular vectors of the discriminators' present kernels."""
        if self.spectral is not None:
            self.spectral.estimate(self.discriminator_layout.split(self.discriminators.weights.read_value()), seed)

    def _pools(self) -> dict[str, tf.Variable]:
        return {"pool.images": self.pool.images, "pool.filled": self.pool.filled}


def make_state(spec: ModelSpec, train: TrainConfig, size: tuple[int, int], dtype: tf.DType = tf.float32) -> TrainingState:
    """All variables, zero, for `train.batch` crops of `size` (height, width) per worker."""
    values = initial_values(spec)
    generator_layout = FlatParameters(generator_shapes(spec), dtype, values)
    discriminator_layout = FlatParameters(discriminator_shapes(spec), dtype, values)
    return TrainingState(
        generator_layout=generator_layout,
        discriminator_layout=discriminator_layout,
        generators=make_adam_state(generator_layout.size, dtype),
        discriminators=make_adam_state(discriminator_layout.size, dtype),
        pool=make_image_pool(train.batch, train.pool_size, (*size, spec.channels), dtype),
        average=tf.Variable(tf.zeros([generator_layout.size], dtype)) if train.ema else None,
        spectral=make_spectral_norm(spec, dtype) if spec.spectral_norm else None,
    )
