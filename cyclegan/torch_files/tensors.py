"""What the pickle of a state dict mentions: tensors, which are strided windows on storages, whose bytes lie elsewhere in the file."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cyclegan.torch_files.broken import BrokenTorchFile
from cyclegan.torch_files.pickled import DAMAGED, Name

Array = npt.NDArray[Any]

MOST_AXES = 16
BFLOAT16 = "torch.BFloat16Storage"
DTYPES: dict[str, np.dtype[Any]] = {
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.HalfStorage": np.dtype("<f2"),
    BFLOAT16: np.dtype("<u2"),  # the upper half of a float32
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
}


@dataclass(frozen=True)
class Storage:
    """A flat array: its key in the file, the name of its class, its number of elements."""

    key: str
    kind: str
    elements: int

    def array(self, content: memoryview) -> Array:
        """Its values, read-only; `content` itself, except that bfloat16 becomes float32, which holds its values exactly.

        Raises BrokenTorchFile if `content` has another size.
        """
        dtype = DTYPES[self.kind]
        if not content or len(content) != self.elements * dtype.itemsize:
            raise BrokenTorchFile(f"its storage {self.key[:20]} is empty, or does not have the stated number of elements")
        flat: Array = np.frombuffer(content, dtype)
        if self.kind == BFLOAT16:
            flat = (flat.astype(np.uint32) << np.uint32(16)).view(np.float32)
            flat.flags.writeable = False
        return flat


@dataclass(frozen=True)
class Tensor:
    """A window on a storage; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, flat: Array) -> Array:
        """A read-only view of its storage's values. Raises BrokenTorchFile if it is empty, or larger than they are, or beyond them."""
        last = self.offset + sum((side - 1) * stride for side, stride in zip(self.shape, self.strides, strict=True))
        # More elements than stored ones are a broadcast: one number could pretend to be terabytes.
        if min((self.offset, *self.shape, *self.strides)) < 0 or not 0 < prod(self.shape) <= flat.size or last >= flat.size:
            raise BrokenTorchFile(f"a tensor is empty, or reaches beyond the {flat.size:,} elements of its storage")
        strides = [stride * flat.itemsize for stride in self.strides]
        return np.ndarray(self.shape, flat.dtype, flat.data, self.offset * flat.itemsize, strides)


# A memo repeats a value of any length in three bytes: what follows takes no time in proportion to a value that it refuses.


def storage_of(identity: object) -> Storage:
    """The storage that a persistent identity names, in either format. Raises BrokenTorchFile if it is something else."""
    match identity:
        case ("storage", Name(kind), str(key), str(), int(elements)) | ("storage", Name(kind), str(key), str(), int(elements), None):
            if kind in DTYPES:
                return Storage(key, kind, elements)
    raise BrokenTorchFile("it holds something other than tensors on plain storages")


def _tensor(arguments: tuple[object, ...]) -> Tensor:
    match arguments[:6], arguments[6:7]:
        case (Storage() as storage, int(offset), tuple(shape), tuple(strides), bool(), dict()), () | (None,):
            if len(shape) == len(strides):
                return Tensor(storage, offset, _integers(shape), _integers(strides))
    raise BrokenTorchFile("it holds a tensor of an unknown form")


def _parameter(arguments: tuple[object, ...]) -> Tensor:
    match arguments:
        case (Tensor() as tensor, bool(), dict()):
            return tensor
    raise BrokenTorchFile("it holds a parameter of an unknown form")


def _size(arguments: tuple[object, ...]) -> tuple[int, ...]:
    match arguments:
        case (tuple(sides),):
            return _integers(sides)
    raise BrokenTorchFile(DAMAGED)


def _ordered_dict(arguments: tuple[object, ...]) -> dict[str, object]:
    match arguments:
        case ():
            return {}
        case (list(pairs),):  # as Python 2 wrote it
            made = dict(map(_pair, pairs))
            pairs.clear()  # it serves once
            return made
    raise BrokenTorchFile(DAMAGED)


def _pair(pair: object) -> tuple[str, object]:
    match pair:
        case [str(key), value]:
            return key, value
    raise BrokenTorchFile(DAMAGED)


def _integers(values: tuple[object, ...]) -> tuple[int, ...]:
    integers = tuple(value for value in values[: MOST_AXES + 1] if isinstance(value, int))
    if len(integers) != len(values) or len(values) > MOST_AXES:
        raise BrokenTorchFile("it holds a tensor of an unknown form")
    return integers


NAMES: Mapping[str, Name] = {
    "collections.OrderedDict": Name("collections.OrderedDict", _ordered_dict),
    "torch.Size": Name("torch.Size", _size),
    "torch._utils._rebuild_tensor_v2": Name("torch._utils._rebuild_tensor_v2", _tensor),
    "torch._utils._rebuild_parameter": Name("torch._utils._rebuild_parameter", _parameter),
    **{kind: Name(kind) for kind in DTYPES},
}
"""All that a state dict may name."""
