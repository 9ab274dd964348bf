"""From files to batches that are no squares: sizes are height and width everywhere, also for photographs stored on their side."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preprocess.config import DataConfig
from preprocess.feed.plan import Plan, WorkerShare, offset
from preprocess.feed.reader import Reader
from preprocess.images.decode import decode
from preprocess.images.resize import Mode, resize
from preprocess.shards.manifest import Manifest
from preprocess.shards.shard_set import ShardSet
from tests.preprocess.built_here import build_here

LOAD, CROP = (30, 60), (24, 48)
ROTATED = 6  # EXIF: the first stored row is the right edge


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four JPEG files of each domain, 256 high and 512 wide; those of domain B are stored on their side."""
    folder = tmp_path_factory.mktemp("source")
    random = np.random.default_rng(0)
    for split in ("trainA", "trainB"):
        (folder / split).mkdir()
        for i in range(4):
            image = Image.fromarray(random.integers(0, 256, (8, 16, 3), np.uint8)).resize((512, 256), Image.Resampling.BICUBIC)
            exif = Image.Exif()
            exif[0x0112] = ROTATED
            if split == "trainB":
                image.transpose(Image.Transpose.ROTATE_90).save(folder / split / f"{i}.jpg", exif=exif, quality=95)
            else:
                image.save(folder / split / f"{i}.jpg", quality=95)
    return folder


def config(mode: Mode = "resize_and_crop", **fields: object) -> DataConfig:
    return DataConfig.model_validate({"preprocess": mode, "load_size": LOAD, "crop_size": CROP, **fields})


def test_shards_and_batches(source: Path, tmp_path: Path) -> None:
    build_here(source, tmp_path, config())
    manifest = Manifest.load(tmp_path)
    assert (manifest.load_size, manifest.crop_size) == (LOAD, None)
    assert manifest.describe() == "images 60x30, 3 and 3 channels (A and B) of uint8"
    images = [ShardSet(tmp_path, manifest.splits[split]) for split in ("trainA", "trainB")]
    for shards in images:
        for i in range(4):
            file = source / shards.key(i)
            # At least 60x120 pixels, also of the file that is stored as 512x256.
            np.testing.assert_array_equal(shards.image(i), resize(decode(file, at_least=(60, 120)), *LOAD))
            assert decode(file, at_least=(60, 120)).shape == (64, 128, 3)
            assert np.abs(shards.image(i).astype(int) - resize(decode(file), *LOAD)).mean() < 3

    share = WorkerShare(rank=0, workers=1, batch=3)
    plan = Plan((4, 4), seed=0, crop_size=CROP, flip=False)
    got, rows = Reader(tmp_path, plan, share).read(5, 2), plan.worker_rows(5, share, 2)
    assert got.shape == (2, 2, 3, *CROP, 3)
    for step, domain, row in np.ndindex(2, 2, 3):
        at = (domain, 3 * step + row)
        top, left = int(offset(rows.top[at], 6)), int(offset(rows.left[at], 12))
        np.testing.assert_array_equal(got[step, domain, row], images[domain].image(int(rows.index[at]))[top : top + 24, left : left + 48])


@pytest.mark.parametrize(
    ("mode", "fields", "stored"),
    [
        ("scale_width_and_crop", {"load_size": 60}, (30, 60)),
        ("scale_width_and_crop", {"load_size": 60, "crop_size": (48, 24)}, (48, 60)),  # never lower than a crop
        ("scale_width", {"load_size": 48}, (24, 48)),
        ("scale_width", {"load_size": 48, "crop_size": 48}, (48, 48)),
        ("crop", {}, (256, 512)),
        ("none", {}, (256, 512)),
    ],
)
def test_the_other_modes(mode: Mode, fields: dict[str, object], stored: tuple[int, int], source: Path, tmp_path: Path) -> None:
    manifest = build_here(source, tmp_path, config(mode, **fields))
    for split in manifest.splits.values():
        assert split.smallest == split.largest == stored


def test_images_smaller_than_a_crop_in_one_axis_are_rejected(source: Path, tmp_path: Path) -> None:
    Image.new("RGB", (500, 260)).save(source / "trainA" / "narrow.png")
    manifest = build_here(source, tmp_path, config("crop", crop_size=(256, 512), max_rejected=0.5))
    assert [one.reason for one in manifest.rejected] == ["500x260 pixels, less than data.crop_size = [256, 512] (height, width)"]


def test_the_fingerprint_names_both_sides(source: Path, tmp_path: Path) -> None:
    fingerprints = {
        build_here(source, tmp_path / str(i), config(**fields)).fingerprint
        for i, fields in enumerate([{}, {"load_size": (60, 48)}, {"load_size": (48, 60)}, {"load_size": 60}, {"load_size": [60, 60]}])
    }
    assert len(fingerprints) == 4
