"""A damaged index or part is refused in one line that names the file."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.folders import verify
from cyclegan.checkpoint_files.index import read_index
from cyclegan.checkpoint_files.names import INDEX
from tests.cyclegan.checkpoint_files.saved import save


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def reseal(path: Path, **values: object) -> None:
    """An index that is wrong, but not by damage."""
    index = read_index(path.parent).model_copy(update=values)
    path.write_text(index.model_copy(update={"sha256": index.seal()}).model_dump_json())


def test_an_index_that_has_no_field_for_pairs_is_read_and_one_with_pairs_is_sealed(tmp_path: Path) -> None:
    path = save(tmp_path, 3) / INDEX
    content = json.loads(path.read_text())
    assert content.pop("pairs") == ""
    path.write_text(json.dumps(content))
    assert verify(path.parent).pairs == ""
    reseal(path, pairs="0123456789abcdef")
    assert verify(path.parent).pairs == "0123456789abcdef"
    edit(path, pairs="")
    with pytest.raises(DamagedCheckpoint, match="its checksum differs from the one written"):
        verify(path.parent)


@pytest.mark.parametrize(
    ("file", "harm", "text"),
    [
        ("part-00000-x.npz", truncate, r"bytes, \d+ were written"),
        ("part-00001-x.npz", flip, "its checksum differs from the one written"),
        ("part-00001-x.npz", Path.unlink, "missing"),
        ("part-00000-x.npz", lambda path: path.write_bytes(b""), "0 bytes"),
        (INDEX, Path.unlink, r"cannot be read \(No such file"),
        (INDEX, truncate, "Invalid JSON"),
        (INDEX, lambda path: path.write_bytes(b""), "Invalid JSON"),
        (INDEX, lambda path: path.write_bytes(b"\xff\xfe\x00"), "Invalid JSON"),
        (INDEX, lambda path: path.write_text("{}"), "format: Field required"),
        (INDEX, lambda path: path.write_text('{"format": 3}'), "step: Field required"),
        (INDEX, lambda path: edit(path, surprise=1), "surprise: Extra inputs are not permitted"),
        (INDEX, lambda path: edit(path, format=1), "format 1, this version reads 3"),
        (INDEX, lambda path: edit(path, position=401), "its checksum differs from the one written"),
        (INDEX, lambda path: edit(path, config={"train": {"batch": 2}}), "its checksum differs from the one written"),
        (INDEX, lambda path: edit(path, sha256=""), "its checksum differs from the one written"),
        (INDEX, lambda path: reseal(path, parts=read_index(path.parent).parts[:1]), "1 parts of 2 workers"),
        (INDEX, lambda path: reseal(path, step=4), "is of step 4, unlike its folder"),
    ],
)
def test_a_damaged_checkpoint_is_refused_by_the_name_of_the_file(tmp_path: Path, file: str, harm: Any, text: str) -> None:
    folder = save(tmp_path, 3)
    harm(folder / file)
    with pytest.raises(DamagedCheckpoint, match=text) as caught:
        verify(folder)
    assert str(caught.value).startswith(f"{folder / file}: ")
    assert "\n" not in str(caught.value)
