"""A build of two thousand good images and many awkward ones: no good image is lost, every bad one is reported."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preprocess.config import DataConfig
from preprocess.images.decode import EXTENSIONS
from preprocess.inspect import main
from preprocess.shards.manifest import Manifest
from preprocess.shards.shard_set import ShardSet
from ringcycle.errors import UserError
from tests.preprocess.built_here import build_here

AWKWARD = Path(os.environ.get("RINGCYCLE_TEST_DATA", "../shared/data")) / "awkward"
pytestmark = pytest.mark.skipif(not AWKWARD.is_dir(), reason=f"no folder {AWKWARD}; RINGCYCLE_TEST_DATA names its parent")

GOOD = 1000  # of each domain
CONFIG = DataConfig(load_size=64, crop_size=64, shard_mb=4)

REJECTED = {
    "broken.png": "unknown image format",
    "broken_data_stream.png": "damaged file (unrecognized data stream contents when reading image file)",
    "decompression_bomb.gif": "far too many pixels, more than 64 megapixels (data.max_megapixels)",
    "made_1x1.jpg": "1x1 pixels, too small",
    "made_empty.jpg": "empty file",
    "made_progressive_truncated.jpg": "truncated file",
    "made_text.jpg": "unknown image format",
    "made_thin_400x3.jpg": "400x3 pixels, too small",
    "multiple_exif.jpg": "1x1 pixels, too small",
    "no_palette.gif": "1x1 pixels, too small",
    "orientation_rectangle.jpg": "1x2 pixels, too small",
    "png_decompression_dos.png": "damaged file (Decompressed data too large for PngImagePlugin.MAX_TEXT_CHUNK)",
    "tRNS_null_1x1.png": "1x1 pixels, too small",
    "truncated_end_chunk.png": "truncated file",
    "truncated_image.png": "truncated file",
    "truncated_jpeg.jpg": "truncated file",
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixed")
    random = np.random.default_rng(0)
    for domain in ("trainA", "trainB"):
        (folder / domain).mkdir()
        for i in range(GOOD):
            Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).resize((72, 64)).save(folder / domain / f"good-{i:04d}.jpg")
    for path in AWKWARD.iterdir():
        if path.suffix.lower() in EXTENSIONS:
            shutil.copy(path, folder / "trainA")
    return folder


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    out = tmp_path_factory.mktemp("shards")
    return out, build_here(source, out, CONFIG)


def test_every_rejected_file_is_listed_with_its_reason(built: tuple[Path, Manifest]) -> None:
    assert {one.path.removeprefix("trainA/"): one.reason for one in built[1].rejected} == REJECTED


def test_every_other_file_is_stored(built: tuple[Path, Manifest], source: Path) -> None:
    out, manifest = built
    for split in ("trainA", "trainB"):
        shards = ShardSet(out, manifest.splits[split])
        names = sorted(path.name for path in (source / split).iterdir() if path.name not in REJECTED)
        assert [shards.key(i) for i in range(len(shards))] == [f"{split}/{name}" for name in names]
    assert manifest.splits["trainA"].count == GOOD + 71 - len(REJECTED) and manifest.splits["trainB"].count == GOOD
    assert (manifest.dtype, manifest.channels) == ("uint8", (3, 3))


def test_odd_but_valid_files_look_like_their_plain_relatives(built: tuple[Path, Manifest]) -> None:
    out, manifest = built
    shards = ShardSet(out, manifest.splits["trainA"])
    pixels = {shards.key(i).removeprefix("trainA/"): shards.image(i).astype(int) for i in range(len(shards))}
    families = {
        "hopper.png": [
            *("hopper.gif", "hopper.webp", "avif_hopper.avif", "hopper_16bit_qtables.jpg"),
            *(f"hopper_orientation_{n}.jpg" for n in (2, 3, 5, 6, 8)),
        ],
        "made_progressive.jpg": [
            *("made_cmyk.jpg", "made_palette64.png", "made_phone_orientation6.jpg", "made_png_named.jpg"),
            *("made_animated.webp", "made_restart_444.jpg", "MADE UPPER space.JPG"),
        ],
    }
    for plain, relatives in families.items():
        for name in relatives:
            # Lossy, or with fewer colours; a rotated, inverted or clipped image would differ by 50 levels.
            assert np.abs(pixels[name] - pixels[plain]).mean() < 12, name
    assert np.abs(pixels["hopper_gray.jpg"][..., 0] - pixels["hopper.png"] @ [0.299, 0.587, 0.114]).mean() < 4
    assert np.abs(pixels["made_grey16.png"][..., 0] - pixels["made_rgb16.png"][..., 1]).mean() < 1  # made from its green channel
    for name in ("transparent.png", "transparent.webp", "transparent.gif", "uncompressed_la.png"):
        assert (pixels[name][0, 0] >= 250).all(), name
    assert (pixels["rgb_trns.png"][32, 32] == 255).all() and (pixels["lab.tif"] >= 254).all()
    assert pixels["pil_sample_cmyk.jpg"].mean() < 60 and pixels["tiff_strip_cmyk_jpeg.tif"].mean() < 60
    assert {"trainA/lab.tif", "trainA/multipage.tiff"} <= set(manifest.near_constant)


def test_too_many_broken_images_stop_the_build(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^data.max_rejected = 0.005, but \d+ or more of 2071 images are broken \(trainA/broken.png: "):
        build_here(source, tmp_path, CONFIG.model_copy(update={"max_rejected": 0.005}))


def test_inspect_reports_all_of_it_and_draws_sheets(
    built: tuple[Path, Manifest], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(built[0]), "--sheet", str(tmp_path / "sheet.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("trainA: 1,055 images, 64x64, ") for line in lines)
    assert "rejected: 16, 6 too small, 4 truncated file, 2 unknown image format, 2 damaged file" in "\n".join(lines)
    assert "  and 6 more; --all lists them" in lines and "checksums: all shards are intact" in lines
    for split in ("trainA", "trainB"):
        with Image.open(tmp_path / f"sheet-{split}.png") as sheet:
            assert sheet.size == (8 * 136 + 8, 10 * 150 + 8)
