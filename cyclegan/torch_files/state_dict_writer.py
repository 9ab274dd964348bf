"""State dicts written as `torch.save` writes them since PyTorch 1.6, without PyTorch: a zip file of a pickle and the tensors' bytes."""

import struct
import zipfile
from collections.abc import Mapping
from math import prod
from typing import BinaryIO

import numpy as np

from cyclegan.torch_files.pickle_writer import call, name, pickled, set_items, value
from cyclegan.torch_files.tensors import BFLOAT16, DTYPES, Array

ALIGNMENT = 64  # bytes, as torch.save has it: torch.load can map the file into memory
HEADER = 30 + 4  # bytes of an entry's header, without its name, and of that of the padding
STORAGES = {dtype.str: kind.removeprefix("torch.") for kind, dtype in DTYPES.items() if kind != BFLOAT16}


def write_state_dict(to: BinaryIO, arrays: Mapping[str, Array]) -> None:
    """Write arrays by name, in order, of any type in `tensors.DTYPES`; `torch.load` makes an OrderedDict of tensors of it."""
    tensors = {key: _tensor(str(i), array) for i, (key, array) in enumerate(arrays.items())}
    entries = {"data.pkl": pickled(set_items(call("collections", "OrderedDict"), tensors)), "byteorder": b"little"}
    entries |= {f"data/{i}": np.ascontiguousarray(array).tobytes() for i, array in enumerate(arrays.values())}
    with zipfile.ZipFile(to, "w") as archive:
        for entry, content in {**entries, "version": b"3\n"}.items():
            info = zipfile.ZipInfo(f"archive/{entry}")
            surplus = -(to.tell() + HEADER + len(info.filename)) % ALIGNMENT
            info.extra = struct.pack("<2sH", b"FB", surplus) + bytes(surplus)
            archive.writestr(info, content)


def _tensor(key: str, array: Array) -> bytes:
    """The operations that make a tensor of all elements of the storage `key`."""
    storage = value(("storage", name("torch", STORAGES[array.dtype.str]), key, "cpu", array.size)) + b"Q"
    strides = tuple(prod(array.shape[axis + 1 :]) for axis in range(array.ndim))
    return call("torch._utils", "_rebuild_tensor_v2", storage, 0, array.shape, strides, False, call("collections", "OrderedDict"))
