"""Duplicate files are kept once in a train domain; everywhere else they are only reported."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preprocess.config import DataConfig
from preprocess.inspect import describe
from preprocess.shards.manifest import Duplicate, Manifest
from preprocess.shards.shard_set import ShardSet
from tests.preprocess.built_here import build_here

CONFIG = DataConfig(load_size=24, crop_size=24, shard_mb=2 * 24 * 24 * 3 / 2**20)  # two images a shard


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """trainA with images 0 … 4, trainB and testA with two other images each."""
    random = np.random.default_rng(0)
    for split, count in (("trainA", 5), ("trainB", 2), ("testA", 2)):
        (tmp_path / "source" / split).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(random.integers(0, 256, (24, 24, 3), np.uint8)).save(tmp_path / "source" / split / f"{i}.png")
    return tmp_path / "source"


def keys(out: Path, manifest: Manifest, split: str) -> list[str]:
    shards = ShardSet(out, manifest.splits[split])
    return [shards.key(i) for i in range(len(shards))]


def test_without_duplicates_nothing_is_reported(source: Path, tmp_path: Path) -> None:
    manifest = build_here(source, tmp_path / "out", CONFIG)
    assert manifest.duplicates == [] and manifest.splits["trainA"].count == 5


def test_copies_are_reported_and_dropped_from_train_only(source: Path, tmp_path: Path) -> None:
    first = source / "trainA" / "0.png"
    for copy in ("trainA/3copy.png", "trainA/5.png", "trainB/9.png", "testA/7.png", "testA/8.png"):
        shutil.copy(first, source / copy)
    out = tmp_path / "out"
    manifest = build_here(source, out, CONFIG)
    assert manifest.duplicates == [
        Duplicate(path="trainA/3copy.png", of="trainA/0.png", dropped=True),
        Duplicate(path="trainA/5.png", of="trainA/0.png", dropped=True),
        Duplicate(path="trainB/9.png", of="trainA/0.png", dropped=False),
        Duplicate(path="testA/7.png", of="trainA/0.png", dropped=False),
        Duplicate(path="testA/8.png", of="testA/7.png", dropped=False),
    ]
    assert keys(out, manifest, "trainA") == [f"trainA/{i}.png" for i in range(5)]
    assert keys(out, manifest, "trainB") == ["trainB/0.png", "trainB/1.png", "trainB/9.png"]
    assert manifest.splits["testA"].count == 4
    manifest.verify(out)
    images = ShardSet(out, manifest.splits["trainA"])
    for i in range(5):
        np.testing.assert_array_equal(images.image(i), np.asarray(Image.open(source / images.key(i))))
    text = "\n".join(describe(manifest, None))
    assert "duplicates: 5, 2 of them dropped, 3 kept" in text and "  testA/7.png is trainA/0.png" in text


def test_a_shard_of_copies_only_disappears(source: Path, tmp_path: Path) -> None:
    for name in ("5.png", "6.png", "7.png"):  # the shards hold 0-1, 2-3, 4-5, 6-7
        shutil.copy(source / "trainA" / "0.png", source / "trainA" / name)
    manifest = build_here(source, tmp_path / "out", CONFIG)
    assert [shard.count for shard in manifest.splits["trainA"].shards] == [2, 2, 1]
    assert keys(tmp_path / "out", manifest, "trainA") == [f"trainA/{i}.png" for i in range(5)]


def test_a_build_interrupted_after_dropping_resumes_to_the_same_bytes(source: Path, tmp_path: Path) -> None:
    shutil.copy(source / "trainA" / "0.png", source / "trainA" / "5.png")
    out = tmp_path / "out"
    build_here(source, out, CONFIG)
    before = {path.name: path.read_bytes() for path in out.iterdir() if not path.name.endswith(".json")}
    assert build_here(source, out, CONFIG).splits["trainA"].count == 5
    assert {path.name: path.read_bytes() for path in out.iterdir() if not path.name.endswith(".json")} == before


def test_near_constant_images_are_reported_and_kept(source: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    Image.new("RGB", (24, 24), (9, 90, 200)).save(source / "trainA" / "8.png")
    Image.fromarray(random.integers(99, 102, (24, 24, 3), np.uint8)).save(source / "trainB" / "8.png")
    Image.fromarray(random.integers(90, 110, (24, 24, 3), np.uint8)).save(source / "trainB" / "9.png")
    manifest = build_here(source, tmp_path / "out", CONFIG)
    assert manifest.near_constant == ["trainA/8.png", "trainB/8.png"]
    assert manifest.splits["trainA"].count == 6 and manifest.splits["trainB"].count == 4
