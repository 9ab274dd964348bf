"""Files in the formats of `torch.save` with any content, also such as PyTorch never writes, operation by operation."""

import io
import struct
import zipfile
from math import prod

from cyclegan.torch_files.pickle_writer import call, name, pickled, set_items, value


def dictionary(entries: dict[str, bytes]) -> bytes:
    return set_items(b"}", entries)


def storage(key: str, elements: int, kind: str = "FloatStorage", *rest: object) -> bytes:
    return value(("storage", name("torch", kind), key, "cpu", elements, *rest)) + b"Q"


def tensor(stored: bytes, shape: tuple[int, ...], strides: tuple[int, ...] | None = None, offset: int = 0) -> bytes:
    steps = strides if strides is not None else tuple(prod(shape[i + 1 :]) for i in range(len(shape)))
    return call("torch._utils", "_rebuild_tensor_v2", stored, offset, shape, steps, False, call("collections", "OrderedDict"))


def zipped(pickle: bytes, storages: dict[str, bytes]) -> bytes:
    """A file in zip format."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for entry, content in {
            "data.pkl": pickle,
            "byteorder": b"little",
            "version": b"3\n",
            **{f"data/{k}": s for k, s in storages.items()},
        }.items():
            with archive.open(zipfile.ZipInfo(f"archive/{entry}"), "w") as stream:
                stream.write(content)
    return file.getvalue()


def legacy(pickle: bytes, storages: dict[str, tuple[int, bytes]]) -> bytes:
    """A file in the older format; each storage with the number of elements that it states."""
    system = dictionary({"little_endian": value(True)})
    keys = b"](" + b"".join(map(value, storages)) + b"e"
    parts = [pickled(0x1950A86A20F9469CFC6C), pickled(1001), pickled(system), pickle, pickled(keys)]
    return b"".join(parts) + b"".join(struct.pack("<q", elements) + content for elements, content in storages.values())
