"""Truncated and altered files of each format: an image or a short reason, never another exception, a hang or a crash."""

import io
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from preprocess.images.decode import BrokenImage, PixelFormat, decode, pixel_format_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*decompression bomb:RuntimeWarning")

PIXELS = np.random.default_rng(7).integers(0, 65536, (24, 20, 5)).astype(np.uint16)
RGB = Image.fromarray((PIXELS[..., :3] >> 8).astype(np.uint8))


def pillow(kind: str, image: Image.Image = RGB, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def tiff(pixels: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, planarconfig="contig", **options)
    return file.getvalue()


FILES = {
    "jpeg": pillow("JPEG"),
    "progressive jpeg": pillow("JPEG", progressive=True),
    "cmyk jpeg": pillow("JPEG", RGB.convert("CMYK")),
    "png": pillow("PNG"),
    "palette png": pillow("PNG", RGB.quantize(16)),
    "16-bit png": imagecodecs.png_encode(np.ascontiguousarray(PIXELS[..., :4])),
    "webp": pillow("WEBP"),
    "gif": pillow("GIF"),
    "bmp": pillow("BMP"),
    "avif": pillow("AVIF"),
    "jpeg 2000": pillow("JPEG2000"),
    "tiff": pillow("TIFF", compression="tiff_lzw"),
    "16-bit tiff": tiff(PIXELS[..., :3], photometric="rgb"),
    "deflated 16-bit tiff": tiff(PIXELS[..., :3], photometric="rgb", compression="deflate", predictor=True),
    "tiff of bands": tiff(PIXELS.astype(np.uint8), photometric="minisblack", compression="lzw", tile=(16, 16)),
}


@st.composite
def damage(draw: st.DrawFn, length: int) -> list[tuple[int, int]]:
    """Offsets and new bytes, mostly in the header, where sizes and offsets are."""
    near, anywhere = st.integers(0, min(length, 300) - 1), st.integers(0, length - 1)
    return draw(st.lists(st.tuples(near | anywhere, st.integers(0, 255)), max_size=6))


def outcome(look: Callable[[], Any]) -> Any:
    """The result, or the reason why there is none."""
    try:
        return look()
    except BrokenImage as error:
        return str(error)


@pytest.mark.parametrize("kind", FILES)
def test_damaged_files_give_an_image_or_a_reason(kind: str) -> None:
    intact = FILES[kind]

    @settings(max_examples=120, derandomize=True, deadline=5000)
    @given(end=st.just(len(intact)) | st.integers(0, len(intact)), changes=damage(len(intact)), channels=st.sampled_from([1, 3, 4, 5]))
    def check(end: int, changes: list[tuple[int, int]], channels: int) -> None:
        data = bytearray(intact)
        for offset, value in changes:
            data[offset] = value
        pixels = outcome(lambda: decode(bytes(data[:end]), channels=channels, bits=None))
        if isinstance(pixels, np.ndarray):
            assert pixels.ndim == 3 and pixels.shape[2] == channels and pixels.dtype in (np.uint8, np.uint16)
        found = outcome(lambda: pixel_format_of(bytes(data[:end])))
        if isinstance(found, PixelFormat):
            assert found.bits in (8, 16) and 1 <= found.channels <= 64
        for reason in (pixels, found):
            assert not isinstance(reason, str) or ("\n" not in reason and 0 < len(reason) < 130)

    check()


@pytest.mark.parametrize("kind", FILES)
def test_intact_files_are_images(kind: str) -> None:
    form = pixel_format_of(FILES[kind])
    assert form == (PixelFormat(5, 8) if "bands" in kind else PixelFormat(3, 16 if "16-bit" in kind else 8))
    assert decode(FILES[kind], channels=form.channels, bits=form.bits).shape == (24, 20, form.channels)
