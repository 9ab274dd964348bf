"""Files in the formats of `torch.save`, written without PyTorch: whole state dicts, and pickles operation by operation."""

import io
import struct
import zipfile
from math import prod
from typing import IO

import numpy as np

Arrays = dict[str, np.ndarray]

KINDS = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage"}


def value(v: object) -> bytes:
    """The operations that make text, an integer, a truth value, None or a tuple of such; bytes are operations already."""
    match v:
        case bytes():
            return v
        case None | bool():
            return {None: b"N", True: b"\x88", False: b"\x89"}[v]
        case str():
            return b"X" + struct.pack("<I", len(v.encode())) + v.encode()
        case int() if -(2**31) <= v < 2**31:
            return b"J" + struct.pack("<i", v)
        case int():
            size = v.bit_length() // 8 + 1
            return b"\x8a" + bytes([size]) + v.to_bytes(size, "little", signed=True)
        case tuple():
            return b"(" + b"".join(map(value, v)) + b"t"
    raise TypeError(v)


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def call(module: str, attribute: str, *arguments: object) -> bytes:
    return name(module, attribute) + value(arguments) + b"R"


def dictionary(entries: dict[str, bytes]) -> bytes:
    return b"}(" + b"".join(value(key) + v for key, v in entries.items()) + b"u"


def pickled(v: object) -> bytes:
    return b"\x80\2" + value(v) + b"."


def storage(key: str, elements: int, kind: str = "FloatStorage", *rest: object) -> bytes:
    return value(("storage", name("torch", kind), key, "cpu", elements, *rest)) + b"Q"


def tensor(stored: bytes, shape: tuple[int, ...], strides: tuple[int, ...] | None = None, offset: int = 0) -> bytes:
    steps = strides if strides is not None else tuple(prod(shape[i + 1 :]) for i in range(len(shape)))
    return call("torch._utils", "_rebuild_tensor_v2", stored, offset, shape, steps, False, call("collections", "OrderedDict"))


def zipped(pickle: bytes, storages: dict[str, bytes | memoryview], to: IO[bytes] | None = None) -> bytes:
    """A file in zip format; written to `to` if given, else returned."""
    file = to or io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for entry, content in {
            "data.pkl": pickle,
            "byteorder": b"little",
            "version": b"3\n",
            **{f"data/{k}": s for k, s in storages.items()},
        }.items():
            with archive.open(zipfile.ZipInfo(f"archive/{entry}"), "w") as stream:
                stream.write(content)
    return file.getvalue() if isinstance(file, io.BytesIO) else b""


def legacy(pickle: bytes, storages: dict[str, tuple[int, bytes]]) -> bytes:
    """A file in the older format; each storage with the number of elements that it states."""
    system = dictionary({"little_endian": value(True)})
    keys = b"](" + b"".join(map(value, storages)) + b"e"
    parts = [pickled(0x1950A86A20F9469CFC6C), pickled(1001), pickled(system), pickle, pickled(keys)]
    return b"".join(parts) + b"".join(struct.pack("<q", elements) + content for elements, content in storages.values())


def state_dict(arrays: Arrays, to: IO[bytes] | None = None) -> bytes:
    """A state dict in zip format."""
    entries = {}
    for i, (key, array) in enumerate(arrays.items()):
        entries[key] = tensor(storage(str(i), array.size, KINDS[array.dtype.str[1:]]), array.shape)
    contents = {
        str(i): np.ascontiguousarray(array).data.cast("B") if array.ndim else array.tobytes() for i, array in enumerate(arrays.values())
    }
    return zipped(pickled(dictionary(entries)), contents, to)
