"""A file is complete or absent, and nothing else stays behind."""

from pathlib import Path
from typing import BinaryIO

import pytest

from ringcycle.storage.atomic import sha256, sync_file, write_atomic


@pytest.mark.parametrize("sync", [True, False])
def test_replaces_the_file_in_one_step(tmp_path: Path, sync: bool) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"old")

    def write(file: BinaryIO) -> None:
        file.write(b"new")
        assert path.read_bytes() == b"old"

    write_atomic(path, write, sync)
    sync_file(path)
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]
    assert sha256(path) == "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437"


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"old")

    def write(file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        write_atomic(path, write)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
