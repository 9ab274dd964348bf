"""Zip files are read like `zipfile` reads them if every entry is stored; any other directory is refused."""

import io
import struct
import zipfile

import pytest

from cyclegan.torch_files.broken import BrokenTorchFile
from cyclegan.torch_files.stored_zip import END, ENTRY, StoredZip

CONTENTS = {"a/one": b"first", "a/none": b"", "a/zwei": bytes(range(256))}


def written(contents: dict[str, bytes] = CONTENTS, compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file.getvalue()


def entry(data: bytes, i: int) -> int:
    """The position of the directory's entry number i."""
    position = int(END.unpack_from(data, len(data) - END.size)[6])
    for _ in range(i):
        position += ENTRY.size + sum(ENTRY.unpack_from(data, position)[10:13])
    return position


def patched(data: bytes, position: int, layout: str, number: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(layout, changed, position, number)
    return bytes(changed)


def reason(data: bytes) -> str:
    with pytest.raises(BrokenTorchFile) as error:
        StoredZip(data)
    return str(error.value)


def test_entries() -> None:
    archive = StoredZip(written())
    assert archive.names() == list(CONTENTS)
    assert {name: bytes(archive.read(name)) for name in archive.names()} == CONTENTS
    assert "a/one" in archive and "one" not in archive
    with pytest.raises(BrokenTorchFile, match=r"^it has no entry one$"):
        archive.read("one")


def test_altered_bytes_are_found() -> None:
    data = written()
    archive = StoredZip(data.replace(b"first", b"First"))
    with pytest.raises(BrokenTorchFile, match=r"^its entry a/one is damaged$"):
        archive.read("a/one")


def test_every_truncation_is_found() -> None:
    data = written()
    for length in range(len(data)):
        assert reason(data[:length])


def test_other_zip_files() -> None:
    compressed = "its entries are compressed or encrypted, which torch.save never does"
    data = written()
    assert reason(written(compression=zipfile.ZIP_DEFLATED)) == compressed
    assert reason(patched(data, entry(data, 0) + 8, "<H", 1)) == compressed  # the flag of encryption
    assert reason(patched(data, entry(data, 0) + 24, "<L", 2**31)) == compressed  # a size that the packed size contradicts
    assert reason(patched(data, len(data) - 2, "<H", 1)) == "it is cut off, or no zip file"  # a comment


def test_numbers_that_cannot_be() -> None:
    data = written()
    damaged = "its directory is damaged"
    for size in (257, 2**20, 2**32 - 1):
        assert reason(patched(patched(data, entry(data, 2) + 20, "<L", size), entry(data, 2) + 24, "<L", size)) == damaged
    assert reason(patched(data, entry(data, 0) + 42, "<L", 2**32 - 1)) == damaged
    assert reason(patched(data, entry(data, 0) + 42, "<L", 3)) == damaged
    assert reason(patched(data, len(data) - 12, "<H", 65535)) == damaged  # more entries than there are
    assert reason(patched(data, len(data) - 6, "<L", 2**32 - 1)) == "it is cut off, or no zip file"
    assert reason(written({"a": b"", "b": b""}).replace(b"b", b"a")) == damaged  # one name twice


def test_overlapping_entries() -> None:
    data = written({"a": b"x" * 100, "b": b"y" * 100})
    first = struct.unpack_from("<L", data, entry(data, 0) + 42)[0]
    assert reason(patched(data, entry(data, 1) + 42, "<L", first)) == "its entries overlap"
