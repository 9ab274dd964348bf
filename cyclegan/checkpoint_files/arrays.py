"""Arrays of a checkpoint's part, an .npz file, read as if a stranger had written it: headers first, checked before any data is read.

`numpy.savez` writes an uncompressed zip file of .npy files. Anything else is refused, so no array can be larger than its file.
"""

import re
import struct
import tokenize
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from cyclegan.checkpoint_files.upgrade import ARRAYS
from cyclegan.config import ImageFormat, ModelConfig, ModelSpec, TrainConfig
from cyclegan.networks.shapes import discriminator_shapes, generator_shapes, spectral_shapes

ENCRYPTED = 1  # bit of a zip member's flags
SUFFIX = ".npy"
WEIGHTS, AVERAGE = "generators.weights", "generators.average"
DISCRIMINATOR_WEIGHTS = "discriminators.weights"
NAME = re.compile(r"[A-Za-z0-9_.]{1,64}")
UNREADABLE = (
    *(ValueError, KeyError, TypeError, EOFError, RuntimeError, OverflowError, MemoryError, SyntaxError),
    *(zipfile.BadZipFile, struct.error, tokenize.TokenError),
)
"""What the readers of zip and .npy files raise for bytes that are no such file."""


@dataclass(frozen=True)
class ArrayKind:
    """Type and shape of an array. A None in `shape` fits any length."""

    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]

    def fits(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
        """Whether an array is of this kind."""
        lengths = len(shape) == len(self.shape) and all(own in (None, other) for own, other in zip(self.shape, shape, strict=True))
        return dtype == self.dtype and lengths

    def __str__(self) -> str:
        return f"{self.dtype} [{', '.join('any' if length is None else f'{length:,}' for length in self.shape)}]"


def expected_arrays(config: Mapping[str, Mapping[str, Any]], images: ImageFormat) -> dict[str, ArrayKind]:
    """All arrays of a checkpoint with this configuration, as `TrainingState.variables` names them.

    Empty if this version does not know its networks.
    """
    try:
        spec = ModelSpec.of(ModelConfig.model_validate(config["model"]), images)
        train = TrainConfig.model_validate({"ema": 0, **config["train"]})  # earlier versions kept no average
    except (KeyError, ValidationError):
        return {}
    single, result = np.dtype(np.float32), dict[str, ArrayKind]()
    for pair, shapes in (("generators", generator_shapes(spec)), ("discriminators", discriminator_shapes(spec))):
        size = sum(map(prod, shapes.values()))
        result |= {f"{pair}.{name}": ArrayKind(single, (size,)) for name in ("weights", "first", "second")}
        result[f"{pair}.updates"] = ArrayKind(np.dtype(np.int32), ())
    if spec.spectral_norm:
        result["discriminators.spectral"] = ArrayKind(single, (sum(map(prod, spectral_shapes(spec).values())),))
    if train.ema:
        result[AVERAGE] = result[WEIGHTS]
    return result | {
        "pool.images": ArrayKind(single, (2, None, train.pool_size, None, None, spec.channels)),
        "pool.filled": ArrayKind(np.dtype(bool), (2, None, train.pool_size)),
        "pool.rows": ArrayKind(np.dtype(np.int64), (None,)),
    }


def check_part(stream: BinaryIO, expected: Mapping[str, ArrayKind]) -> None:
    """Check the headers of all arrays; those that `expected` names must be of its kinds. Raises one of UNREADABLE."""
    with zipfile.ZipFile(stream) as file:
        for _ in _arrays(file, expected, None):
            pass


def read_part(stream: BinaryIO, names: Collection[str] | None, expected: Mapping[str, ArrayKind]) -> dict[str, npt.NDArray[Any]]:
    """Arrays by name; only `names` if given. Raises one of UNREADABLE if one is missing or not of its kind."""
    with zipfile.ZipFile(stream) as file:
        found = {name: _read(member, dtype, shape, order) for name, member, dtype, shape, order in _arrays(file, expected, names)}
    missing = [name for name in names or () if name not in found]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    return found


def _read(member: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...], order: str) -> npt.NDArray[Any]:
    flat = np.empty(prod(shape), dtype)
    view, done = flat.view(np.uint8).data if flat.size else memoryview(b""), 0
    while done < len(view):
        block = member.read(min(2**24, len(view) - done))
        if not block:
            raise EOFError("an array ends too early")
        view[done : done + len(block)] = block
        done += len(block)
    if member.read(1):
        raise ValueError("an array is longer than its header")
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _arrays(
    file: zipfile.ZipFile, expected: Mapping[str, ArrayKind], names: Collection[str] | None
) -> Iterator[tuple[str, IO[bytes], np.dtype[Any], tuple[int, ...], str]]:
    """Name, stream at the data, type, shape and memory order of each array, once its header is checked."""
    seen = set()
    for info in file.infolist():
        stored = info.filename.removesuffix(SUFFIX)
        name = ARRAYS.get(stored, stored)
        if info.filename == stored or name in seen or not NAME.fullmatch(name):
            raise ValueError(f"{info.filename[:80]!r} is not the name of an array, or occurs twice")
        seen.add(name)
        if info.flag_bits & ENCRYPTED or info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise ValueError(f"{name} is compressed or encrypted")
        if names is not None and name not in names:
            continue
        with file.open(info) as member:
            version = np.lib.format.read_magic(member)
            if version not in ((1, 0), (2, 0)):
                raise ValueError(f"{name} has the unknown header {version}")
            read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read_header(member)
            if dtype.hasobject:
                raise ValueError(f"{name} holds Python objects")
            if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize + member.tell() != info.file_size:
                raise ValueError(f"{name} does not have as many bytes as its header states")
            if name in expected and not expected[name].fits(dtype, shape):
                raise ValueError(f"{name} is {ArrayKind(dtype, shape)}, but the configuration implies {expected[name]}")
            yield name, member, dtype, shape, "F" if fortran else "C"
