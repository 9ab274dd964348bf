"""What the reference calls our parameters: one tensor of its state dicts, and the tensors of a convolution and of a norm.

Before each instance norm the reference has a bias, which has no effect and which we do not have. Its batch norms keep running statistics,
which it uses with --eval only and which we do not have either.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

CONVOLUTION = (3, 2, 0, 1)  # axes of our kernel [k, k, C, K] in the order of the reference's, [K, C, k, k]
TRANSPOSED = (2, 3, 0, 1)  # [C, K, k, k]
VECTOR = (0,)
STATISTICS: dict[str, np.generic] = {"running_mean": np.float32(0), "running_var": np.float32(1), "num_batches_tracked": np.int64(0)}
"""What a norm keeps besides its parameters, and its initial values."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Entry:
    """A tensor of the reference, and the parameter that it is.

    shape: of the tensor; where it has fewer channels than the parameter, since the two domains differ, it is the first ones. name: of the
    parameter; None: we have none, and all elements are `value`. axes: of the parameter, in the reference's order. optional: whether a file
    may lack it, or have any numbers.
    """

    key: str
    shape: tuple[int, ...]
    name: str | None
    axes: tuple[int, ...] = VECTOR
    value: np.generic = STATISTICS["running_mean"]
    optional: bool = False

    def theirs(self, parameters: Mapping[str, Array]) -> Array:
        """The tensor, from the parameters of one direction by name, without the direction's axis."""
        if self.name is None:
            return np.full(self.shape, self.value)
        return np.ascontiguousarray(self._window(parameters[self.name]), np.float32)

    def set_ours(self, parameters: Mapping[str, Array], tensor: Array) -> None:
        """Write the tensor into the parameters of one direction; channels that it lacks become 0."""
        assert self.name is not None, self.key
        parameters[self.name][...] = 0
        self._window(parameters[self.name])[...] = tensor

    def _window(self, parameter: Array) -> Array:
        return parameter.transpose(self.axes)[tuple(map(slice, self.shape))]


def convolution(module: str, kernel: str, side: int, channels: tuple[int, int], bias: str | None, surplus: bool = False) -> list[Entry]:
    """The tensors of a convolution. kernel, bias: our parameters. channels: taken and made. surplus: it has a bias even if we do not."""
    return _kernel_and_bias(Entry(f"{module}.weight", (*channels[::-1], side, side), kernel, CONVOLUTION), channels[1], bias, surplus)


def transposed(module: str, kernel: str, side: int, channels: tuple[int, int], bias: str | None, surplus: bool = False) -> list[Entry]:
    """The tensors of a transposed convolution; arguments as in `convolution`."""
    return _kernel_and_bias(Entry(f"{module}.weight", (*channels, side, side), kernel, TRANSPOSED), channels[1], bias, surplus)


def batch_norm(module: str, scale: str, shift: str, width: int) -> list[Entry]:
    """The tensors of a batch norm."""
    statistics = [
        Entry(f"{module}.{name}", (width,) if isinstance(value, np.float32) else (), None, VECTOR, value, optional=True)
        for name, value in STATISTICS.items()
    ]
    return [Entry(f"{module}.weight", (width,), scale), Entry(f"{module}.bias", (width,), shift), *statistics]


def _kernel_and_bias(kernel: Entry, width: int, bias: str | None, surplus: bool) -> list[Entry]:
    return [kernel, Entry(kernel.key.replace(".weight", ".bias"), (width,), bias)] if bias or surplus else [kernel]
