"""Held-out images come from the shards: always the same ones, cropped where training saw crops only, with the truth if there is one."""

from pathlib import Path

import numpy as np
import pytest

from cluster.held_out.images import HeldOutImages
from preprocess.config import DataConfig
from preprocess.images.decode import decode
from preprocess.images.resize import Mode, square
from preprocess.shards.manifest import Manifest
from preprocess.synthetic import write_dataset
from tests.preprocess.built_here import build_here

CROP = (24, 32)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    write_dataset(folder, images=1, test=9, size=36)
    return folder


def build(source: Path, shards: Path, mode: Mode = "resize_and_crop") -> Manifest:
    return build_here(source, shards, DataConfig(source=str(source), preprocess=mode, load_size=40, crop_size=CROP))


def read(shards: Path, manifest: Manifest, most: int, truths: Path | None = None) -> list[np.ndarray]:
    return [image.pixels for image in HeldOutImages(shards, manifest, "A", most, CROP, truths)]


def test_fewer_are_the_first_of_more(source: Path, tmp_path: Path) -> None:
    manifest = build(source, tmp_path)
    few, all_of_them = read(tmp_path, manifest, 4), read(tmp_path, manifest, 64)
    assert (len(few), len(all_of_them)) == (4, 9)
    np.testing.assert_array_equal(few, all_of_them[:4])
    originals = {square(decode(source / f"testA/{i:05}.jpg"), 40).tobytes() for i in range(9)}
    assert {image.tobytes() for image in all_of_them} == originals


def test_truths_are_prepared_alike(source: Path, tmp_path: Path) -> None:
    manifest = build(source, tmp_path)
    images = list(HeldOutImages(tmp_path, manifest, "B", 3, CROP, source / "truth"))
    known = {square(decode(source / f"testB/{i:05}.jpg"), 40).tobytes(): decode(source / f"truth/BtoA/{i:05}.png") for i in range(9)}
    for image in images:
        assert image.truth is not None
        np.testing.assert_array_equal(image.truth, square(known[image.pixels.tobytes()], 40))
    assert all(image.truth is None for image in HeldOutImages(tmp_path, manifest, "B", 3, CROP, None))
    assert all(image.truth is None for image in HeldOutImages(tmp_path, manifest, "B", 3, CROP, tmp_path / "nowhere"))


def test_where_only_crops_were_seen_the_centre_is_translated(source: Path, tmp_path: Path) -> None:
    manifest = build(source, tmp_path, "crop")
    images = read(tmp_path, manifest, 9)
    originals = {decode(source / f"testA/{i:05}.jpg")[6:30, 2:34].tobytes() for i in range(9)}
    assert {image.tobytes() for image in images} == originals
