"""State dicts: files in which `torch.save` put a dictionary of tensors by name, in the format of 2020 (zip) or the one before.

The older format is a sequence: pickles of a magic number, a version, the writer's system, the dictionary, and the storages' keys; then
each storage in this order, as the number of its elements (int64) and their bytes.
"""

import hashlib
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from cyclegan.torch_files.broken import BrokenTorchFile
from cyclegan.torch_files.pickled import load
from cyclegan.torch_files.stored_zip import StoredZip
from cyclegan.torch_files.tensors import DTYPES, NAMES, Array, Storage, Tensor, storage_of
from ringcycle.errors import UserError

MOST_BYTES = 2**30
MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001


class StateDict(NamedTuple):
    """Read-only arrays by name, views of the file's bytes, and the file's SHA-256 in hexadecimal digits."""

    arrays: dict[str, Array]
    sha256: str


def read_state_dict(path: Path, cure: str) -> StateDict:
    """Read a file. Raises UserError if it is no state dict that can be read; `cure` completes the line: what to give instead."""
    try:
        if not path.is_file():
            raise BrokenTorchFile("there is no such file")
        if path.stat().st_size > MOST_BYTES:
            raise BrokenTorchFile(f"it has more than {MOST_BYTES >> 30} GiB")
        data = path.read_bytes()
        return StateDict(parse(data), hashlib.sha256(data).hexdigest())
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): {cure}") from error
    except BrokenTorchFile as reason:
        raise UserError(f"{path} is not a PyTorch state dict that can be used ({reason}): {cure}") from reason


def parse(data: bytes) -> dict[str, Array]:
    """The arrays of a file by name, read-only views of `data`; bfloat16 as float32. Raises BrokenTorchFile."""
    if data.startswith(b"PK\3\4"):
        value, storages, content = _zip_format(data)
    elif data.startswith(b"\x80\2"):
        value, storages, content = _legacy_format(data)
    else:
        raise BrokenTorchFile("it does not begin as torch.save's files do")
    tensors = dict(_tensors(value))
    flat = {key: storage.array(content(key)) for key, storage in storages.items()}
    return {name: tensor.array(flat[tensor.storage.key]) for name, tensor in tensors.items()}


def _tensors(value: object) -> Iterator[tuple[str, Tensor]]:
    if not isinstance(value, dict) or not value:
        raise BrokenTorchFile("it holds no dictionary of tensors")
    for name, tensor in value.items():
        if not isinstance(tensor, Tensor):
            raise BrokenTorchFile(f"its entry {name[:100]} is no tensor")
        yield name, tensor


Content = Callable[[str], memoryview]


def _zip_format(data: bytes) -> tuple[object, Mapping[str, Storage], Content]:
    """The pickled value, the storages that it mentions, and where their bytes are, by key."""
    archive = StoredZip(data)
    pickles = [name for name in archive.names() if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise BrokenTorchFile("it is a zip file without the one entry data.pkl")
    folder = pickles[0].removesuffix("data.pkl")
    order = f"{folder}byteorder"
    if order in archive and bytes(archive.read(order)) != b"little":
        raise BrokenTorchFile("its numbers are big-endian")
    storages = _Storages()
    value, _ = load(bytes(archive.read(pickles[0])), 0, NAMES, storages)
    return value, storages.by_key, lambda key: archive.read(f"{folder}data/{key}")


def _legacy_format(data: bytes) -> tuple[object, Mapping[str, Storage], Content]:
    """As `_zip_format`."""
    storages = _Storages()
    magic, end = load(data, 0, NAMES, storages)
    if magic != MAGIC:
        raise BrokenTorchFile("it is a pickle, but not of torch.save")
    version, end = load(data, end, NAMES, storages)
    system, end = load(data, end, NAMES, storages)
    if version != VERSION or not isinstance(system, dict) or system.get("little_endian") is not True:
        raise BrokenTorchFile("it was written by an unknown version, or on a big-endian machine")
    value, end = load(data, end, NAMES, storages)
    keys, end = load(data, end, NAMES, storages)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or sorted(keys) != sorted(storages.by_key):
        raise BrokenTorchFile("its list of storages is not that of its tensors")
    contents: dict[str, memoryview] = {}
    for key in keys:
        storage, start = storages.by_key[key], end + 8
        end = start + storage.elements * DTYPES[storage.kind].itemsize
        if not start <= end <= len(data) or struct.unpack_from("<q", data, start - 8) != (storage.elements,):
            raise BrokenTorchFile("it is cut off, or a storage does not have the stated number of elements")
        contents[key] = memoryview(data)[start:end]
    return value, storages.by_key, contents.__getitem__


class _Storages:
    """Collects the storages that a pickle mentions, each as often as tensors share it."""

    def __init__(self) -> None:
        self.by_key: dict[str, Storage] = {}

    def __call__(self, identity: object) -> Storage:
        storage = storage_of(identity)
        if self.by_key.setdefault(storage.key, storage) != storage:
            raise BrokenTorchFile(f"its storage {storage.key[:20]} is described in two ways")
        return storage
