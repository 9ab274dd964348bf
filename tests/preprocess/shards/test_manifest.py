"""A manifest is loaded as it was saved, or a one-line error explains what is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest

from preprocess.shards.manifest import FORMAT, NAME, Manifest, Rejected, Split
from preprocess.shards.shard_set import write_shard
from ringcycle.errors import UserError
from tests.preprocess.small_shards import make_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two shards and their manifest."""
    images = [np.full((4, 4, 3), value, np.uint8) for value in (1, 2, 3)]
    splits = {}
    for split in ("trainA", "trainB"):
        shard = write_shard(tmp_path / f"{split}-00000.arrow", [f"{split}/{i}.png" for i in range(3)], images)
        splits[split] = Split(count=3, shards=[shard], smallest=(4, 4), largest=(4, 4))
    broken = Rejected(path="trainA/bad.jpg", reason="empty file")
    make_manifest(splits).model_copy(update={"rejected": [broken]}).save(tmp_path)
    return tmp_path


def message(folder: Path) -> str:
    """The one-line error of loading and verifying the manifest."""
    with pytest.raises(UserError) as error:
        Manifest.load(folder).verify(folder)
    text = str(error.value)
    assert "\n" not in text and str(folder) in text
    return text


def test_loads_and_verifies_what_was_saved(folder: Path) -> None:
    manifest = Manifest.load(folder)
    assert manifest.splits["trainB"].count == 3 and manifest.rejected[0].reason == "empty file"
    manifest.verify(folder)
    before = (folder / NAME).read_bytes()
    manifest.save(folder)
    assert (folder / NAME).read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == [NAME, "trainA-00000.arrow", "trainB-00000.arrow"]


def test_missing(tmp_path: Path) -> None:
    assert "No such file" in message(tmp_path)


@pytest.mark.parametrize("keep", [0, 1, 100, -3])
def test_truncated(folder: Path, keep: int) -> None:
    (folder / NAME).write_bytes((folder / NAME).read_bytes()[:keep])
    assert "damaged or not a manifest" in message(folder)


def test_not_text(folder: Path) -> None:
    (folder / NAME).write_bytes(bytes(range(256)))
    assert "damaged or not a manifest" in message(folder)


@pytest.mark.parametrize(("field", "value"), [("dtype", "float32"), ("splits", 3), ("colour", 1)])
def test_wrong_field_is_named(folder: Path, field: str, value: object) -> None:
    change(folder, field, value)
    assert f"({field}" in message(folder)


def test_other_version(folder: Path) -> None:
    change(folder, "format", FORMAT + 1)
    assert f"format = {FORMAT + 1}, but this version reads format {FORMAT}" in message(folder)


def test_other_version_with_other_fields(folder: Path) -> None:
    change(folder, "format", FORMAT + 1)
    change(folder, "colour", "linear")
    assert f"format = {FORMAT + 1}" in message(folder)


def test_verify_names_the_bad_shard(folder: Path) -> None:
    shard = folder / "trainB-00000.arrow"
    good = shard.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    shard.write_bytes(flipped)
    assert "trainB-00000.arrow is damaged" in message(folder)
    Manifest.load(folder).verify(folder, checksums=False)
    shard.write_bytes(good[:-8])
    with pytest.raises(UserError, match=rf"trainB-00000.arrow has {len(good) - 8} bytes, but the manifest lists {len(good)}"):
        Manifest.load(folder).verify(folder, checksums=False)
    shard.unlink()
    assert "trainB-00000.arrow cannot be read (No such file" in message(folder)


def change(folder: Path, field: str, value: object) -> None:
    """Set one field of the saved manifest."""
    content = json.loads((folder / NAME).read_text())
    content[field] = value
    (folder / NAME).write_text(json.dumps(content))
