"""All parameters of a pair of networks in one flat vector: names, shapes and offsets.

With one vector, an all-reduce is one buffer, Adam one fused kernel, a checksum one line, and a checkpoint one array.
"""

from collections.abc import Mapping
from functools import cached_property
from math import prod

import numpy as np
import tensorflow as tf

from cyclegan.networks.initial_values import InitialValues


class FlatParameters:
    """Maps parameter names to slices of a flat vector, in the order of `shapes`.

    shapes: name -> `[2, …]`, the direction first. dtype: of the vector; float32 in training, float64 in tests. values: initial ones.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], dtype: tf.DType = tf.float32, values: InitialValues | None = None) -> None:
        self.shapes = dict(shapes)
        self.dtype = dtype
        self._values = values or InitialValues()

    @cached_property
    def sizes(self) -> list[int]:
        """Number of elements of each parameter, in order."""
        return [prod(shape) for shape in self.shapes.values()]

    @cached_property
    def size(self) -> int:
        """Number of elements of the flat vector."""
        return sum(self.sizes)

    def split(self, flat: tf.Tensor) -> dict[str, tf.Tensor]:
        """Parameters by name from the flat vector `[size]`, by one tf.split: the gradient of slices would cost ten times more."""
        parts = tf.split(flat, self.sizes)
        return {name: tf.reshape(part, shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def join(self, parts: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The flat vector `[size]` of parameters (or their gradients) by name."""
        return tf.concat([tf.reshape(parts[name], [-1]) for name in self.shapes], 0)

    def initial(self, seed: int) -> np.ndarray:
        """Initial values `[size]`; unless told otherwise, kernels N(0, 0.02), biases 0. They depend on (seed, parameter name) only."""
        return np.concatenate([self._values(seed, name, shape).ravel() for name, shape in self.shapes.items()]).astype(
            self.dtype.as_numpy_dtype
        )

    def views(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """Parameters by name as views of the NumPy vector `[size]`."""
        parts = np.split(flat, np.cumsum(self.sizes)[:-1])
        return {name: part.reshape(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}
