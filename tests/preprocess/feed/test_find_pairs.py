"""Pairs are found in real shards by the names of the source; a name that is none costs one line that says why."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preprocess.config import DataConfig
from preprocess.feed.find_pairs import find_pairs
from preprocess.shards.manifest import Manifest
from preprocess.shards.shard_set import ShardSet
from preprocess.sources.pair_list import NamedPair
from ringcycle.errors import UserError
from tests.preprocess.built_here import build_here

COUNTS = {"trainA": 9, "trainB": 12, "testA": 2, "testB": 2}
SMALL = {"load_size": 32, "crop_size": 24, "shard_mb": 0.01, "max_rejected": 0.5}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Numbered images; of domain A, 3.png is broken, and 7.png the same file as 2.png. Image 4.png of B is wider."""
    folder, random = tmp_path_factory.mktemp("source"), np.random.default_rng(0)
    for split, count in COUNTS.items():
        (folder / split / "sub").mkdir(parents=True)
        for i in range(count):
            size = (24, 36 if (split, i) == ("trainB", 4) else 30, 3)
            Image.fromarray(random.integers(0, 256, size, np.uint8)).save(folder / split / ("sub" if i % 2 else "") / f"{i}.png")
    (folder / "trainA/sub/3.png").write_bytes(b"no image")
    shutil.copy(folder / "trainA/2.png", folder / "trainA/sub/7.png")
    return folder


@pytest.fixture(scope="module")
def shards(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("shards")
    return folder, build_here(source, folder, DataConfig.model_validate(SMALL))


def line(shards: tuple[Path, Manifest], a: str, b: str) -> str:
    """The line that refuses a pair, which comes second."""
    with pytest.raises(UserError) as error:
        find_pairs('data.pairs = "p.csv"', [NamedPair(("trainA/4.png", "trainB/0.png"), 1), NamedPair((a, b), 2)], *shards)
    text = str(error.value)
    assert text.startswith('data.pairs = "p.csv": ') and "\n" not in text
    return text


def test_all_images_are_found_by_name(shards: tuple[Path, Manifest]) -> None:
    folder, manifest = shards
    sets = [ShardSet(folder, manifest.splits[split]) for split in ("trainA", "trainB")]
    keys = [[one.key(i) for i in range(len(one))] for one in sets]
    assert (len(keys[0]), len(keys[1])) == (7, 12) and all(column == sorted(column) for column in keys)
    assert len(manifest.splits["trainB"].shards) > 2
    names = [(a, b) for a, b in zip(keys[0][::-1], keys[1][3:], strict=False)]
    pairs = find_pairs("", [NamedPair(both, number) for number, both in enumerate(names, start=1)], folder, manifest)
    assert [(keys[0][a], keys[1][b]) for a, b in zip(pairs.a, pairs.b, strict=True)] == sorted(names)
    assert pairs.a.tolist() == list(range(7))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("trainA/9.png", "trainB/2.png", "names trainA/9.png, which is no image of trainA, did you mean trainA/8.png?; correct it"),
        ("sub/1.png", "trainB/2.png", "names sub/1.png, which is no image of trainA, did you mean trainA/sub/1.png?; correct it"),
        ("/data/zebra", "trainB/2.png", "names /data/zebra, which is no image of trainA, whose names are such as trainA/0.png; correct"),
        ("trainA/0.png", "~", "names ~, which is no image of trainB, whose names are such as trainB/0.png; correct it"),
        ("trainA/sub/3.png", "trainB/2.png", "names trainA/sub/3.png, which was rejected ("),
        ("trainA/sub/7.png", "trainB/2.png", "which was dropped, being the same file as trainA/2.png: name that one, or delete the record"),
        ("trainA/0.png", "testB/0.png", "which is held out for testing (testB): name an image for training, or delete the record"),
        ("trainB/2.png", "trainA/0.png", "names trainB/2.png, which is an image of B: exchange the columns of this record"),
        ("s3://KEY:SECRET@bucket/x.png", "trainB/2.png", "names s3://***@bucket/x.png, which is no image of trainA"),
    ],
)
def test_a_name_that_is_none(a: str, b: str, expected: str, shards: tuple[Path, Manifest]) -> None:
    message = line(shards, a, b)
    assert message.startswith('data.pairs = "p.csv": record 2 names ') and expected in message


def test_images_of_other_sizes_are_refused(source: Path, tmp_path: Path) -> None:
    config = DataConfig.model_validate({**SMALL, "preprocess": "crop"})
    shards = tmp_path, build_here(source, tmp_path, config)
    assert "record 2 pairs trainA/0.png, 30x24, with trainB/4.png, 36x24: make them equal in size" in line(
        shards, "trainA/0.png", "trainB/4.png"
    )
    assert len(find_pairs("", [NamedPair(("trainA/0.png", "trainB/2.png"), 1)], *shards)) == 1


def test_damaged_shards(shards: tuple[Path, Manifest], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(shards[0], folder)
    for file in folder.glob("trainB-*.arrow"):
        file.write_bytes(b"")
    message = line((folder, shards[1]), "trainA/0.png", "trainB/2.png")
    assert f"the images cannot be found, as {folder} cannot be read (" in message and "rebuild it if it is damaged" in message
