"""HEIC, the format of many phones' photos, where the extra `heic` is installed."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from preprocess.images.decode import EXTENSIONS, BrokenImage, PixelFormat, TooManyPixels, decode, pixel_format_of
from preprocess.images.image_files import images_in

pytest.importorskip("pillow_heif", reason="the extra `heic` is not installed")

ORIENTATION = 274
SIDES = np.zeros((64, 96, 3), np.uint8)
SIDES[:32] = (200, 30, 30)
SIDES[32:, :48] = (10, 180, 40)


def heic(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "HEIF", quality=90, **options)
    return buffer.getvalue()


def test_pixels() -> None:
    data = heic(Image.fromarray(SIDES))
    assert pixel_format_of(data) == PixelFormat(3, 8)
    assert np.abs(decode(data).astype(int) - SIDES).mean() < 3  # a lossy format; another image differs by 60


@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_orientation_is_applied_once(orientation: int) -> None:
    image = Image.fromarray(SIDES)
    image.getexif()[ORIENTATION] = orientation
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=95, exif=image.getexif())
    upright = decode(jpeg.getvalue())
    got = decode(heic(image))
    assert got.shape == upright.shape
    assert np.abs(got.astype(int) - upright).mean() < 5


def test_transparent_parts_become_white_and_grey_stays_grey() -> None:
    clear = np.dstack([SIDES, np.full((64, 96), 255, np.uint8)])
    clear[:32, :, 3] = 0
    pixels = decode(heic(Image.fromarray(clear)))
    assert pixels[:28].min() > 250
    assert np.abs(pixels[36:].astype(int) - SIDES[36:]).mean() < 3
    assert pixel_format_of(heic(Image.fromarray(SIDES).convert("L"))) == PixelFormat(1, 8)


def test_damage_and_size_are_named() -> None:
    data = heic(Image.fromarray(SIDES))
    for length in (30, len(data) // 2, len(data) - 10):
        with pytest.raises(BrokenImage, match=r"damaged file \("):
            decode(data[:length])
    with pytest.raises(TooManyPixels, match=r"96x64 pixels, more than 0\.006 megapixels"):
        decode(data, megapixels=0.006)


def test_files_are_found_by_content_and_by_name(tmp_path: Path) -> None:
    assert {".heic", ".heif", ".hif"} <= EXTENSIONS
    for name in ("a.HEIC", "b", "c.jpg_large"):
        (tmp_path / name).write_bytes(heic(Image.fromarray(SIDES)))
    found, left_out = images_in(tmp_path)
    assert [file.name for file in found] == ["a.HEIC", "b", "c.jpg_large"] and not left_out
