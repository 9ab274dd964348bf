"""Shards that version 0.1.0 wrote are still read, image for image."""

import hashlib
import json
from pathlib import Path

import pytest

from preprocess.building.progress import logged_speed
from preprocess.building.shard_folder import finished_shards
from preprocess.inspect import main
from preprocess.shards.manifest import Manifest
from preprocess.shards.shard_set import ShardSet

OLD = Path(__file__).parents[2] / "fixtures" / "shards-format-2"
COUNTS = {"trainA": 4, "trainB": 4, "testA": 2, "testB": 2}
PIXELS = "969dacb568038ed1f8f6166e3f5fefb8bd8ee76f397da9dc9c4e06907a464317"  # SHA-256 of all images, in the order of the manifest


def test_manifest_and_checksums() -> None:
    manifest = Manifest.load(OLD)
    manifest.verify(OLD)
    assert {name: split.count for name, split in manifest.splits.items()} == COUNTS
    assert (manifest.format, manifest.dtype, manifest.channels, manifest.load_size) == (2, "uint8", (3, 3), 28)
    assert finished_shards(str(OLD)) == OLD


def test_every_image() -> None:
    digest = hashlib.sha256()
    for name, split in Manifest.load(OLD).splits.items():
        shards = ShardSet(OLD, split)
        assert len(shards) == COUNTS[name]
        for i in range(len(shards)):
            assert shards.key(i).startswith(f"{name}/") and shards.image(i).shape == (28, 28, 3)
            digest.update(shards.image(i).tobytes())
    assert digest.hexdigest() == PIXELS


def test_its_log_has_the_old_field_names() -> None:
    log = json.loads((OLD / "build.json").read_text())
    assert "pictures_per_second" in log and logged_speed(log) == 1.6
    assert logged_speed({"images_per_second": 2.5}) == 2.5


def test_inspect(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(OLD)]) == 0
    assert "checksums: all shards are intact" in capsys.readouterr().out
