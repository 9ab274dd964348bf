"""Files with 16 bits or many channels keep every sample; those that Pillow decodes without loss are left to it."""

import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from preprocess.images.decode import BrokenImage, PixelFormat, decode, pixel_format_of

RANDOM = np.random.default_rng(2)


def noise(*shape: int, dtype: Any = np.uint16) -> np.ndarray:
    return RANDOM.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def tiff(pixels: np.ndarray, **options: Any) -> bytes:
    """A single-page file, pixels [H, W] or [H, W, C]; with C = 1 tifffile would write H pages."""
    buffer = io.BytesIO()
    layout = {"planarconfig": "contig"} if pixels.shape[2:] not in ((), (1,)) else {}
    tifffile.imwrite(buffer, pixels[..., 0] if pixels.shape[2:] == (1,) else pixels, **layout | options)
    return buffer.getvalue()


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_png(channels: int) -> None:
    pixels = noise(8, 9, channels)
    data = imagecodecs.png_encode(pixels)
    assert pixel_format_of(data) == PixelFormat(channels, 16)
    for bits in (16, None):
        got = decode(data, channels=channels, bits=bits)
        assert got.dtype == np.uint16
        np.testing.assert_array_equal(got, pixels)
    np.testing.assert_array_equal(decode(data, channels=channels), np.rint(pixels / 257))


def test_16_bit_png_with_alpha() -> None:
    pixels = noise(8, 9, 4)
    pixels[..., 3] = 65535
    np.testing.assert_array_equal(decode(imagecodecs.png_encode(pixels), bits=16), pixels[..., :3])
    pixels[..., 3] = 0
    assert (decode(imagecodecs.png_encode(pixels), bits=16) == 65535).all()


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "zstd"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("channels", "photometric"), [(1, "minisblack"), (3, "rgb"), (2, "minisblack"), (5, "minisblack"), (12, "minisblack")]
)
def test_tiff(channels: int, photometric: str, dtype: Any, compression: str | None, byteorder: Any) -> None:
    pixels = noise(20, 30, channels, dtype=dtype)
    data = tiff(pixels, photometric=photometric, compression=compression, byteorder=byteorder)
    assert pixel_format_of(data) == PixelFormat(channels, pixels.itemsize * 8)
    got = decode(data, channels=channels, bits=None)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, pixels)


def test_tiff_in_planes_and_tiles() -> None:
    pixels = noise(40, 50, 6)
    for options in ({"planarconfig": "separate"}, {"planarconfig": "contig", "tile": (16, 16)}):
        stored = pixels.transpose(2, 0, 1) if options["planarconfig"] == "separate" else pixels
        np.testing.assert_array_equal(decode(tiff(stored, photometric="minisblack", **options), channels=6, bits=16), pixels)


def test_min_is_white() -> None:
    levels = noise(5, 6)
    np.testing.assert_array_equal(decode(tiff(levels, photometric="miniswhite"), channels=1, bits=16)[..., 0], 65535 - levels)


def test_fourth_sample_next_to_colour() -> None:
    pixels = noise(5, 6, 4, dtype=np.uint8)
    unnamed = tiff(pixels, photometric="rgb", extrasamples=["unspecified"])
    assert pixel_format_of(unnamed) == PixelFormat(3, 8)
    np.testing.assert_array_equal(decode(unnamed), pixels[..., :3])
    np.testing.assert_array_equal(decode(unnamed, channels=4), pixels)


def test_twelve_bits_reach_white() -> None:
    page = bytearray(tiff(np.frombuffer(bytes([0, 0xF, 0xFF, 0x80, 0, 0]), np.uint8)[None], photometric="minisblack"))
    with tifffile.TiffFile(io.BytesIO(bytes(page))) as file:
        tags: Any = file.pages[0].tags
        for name, value in (("ImageWidth", 4), ("BitsPerSample", 12)):
            page[tags[name].valueoffset] = value
    np.testing.assert_array_equal(decode(bytes(page), channels=1, bits=16)[0, :, 0], [0, 65535, 32776, 0])


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.zeros((4, 4, 3), np.float32), "32-bit pixels of unknown range"),
        (np.zeros((4, 4), np.int16), "16-bit signed or floating-point pixels of unknown range"),
        (np.zeros((4, 4, 65), np.uint8), "65 channels, more than 64"),
    ],
)
def test_unsupported_kinds(pixels: np.ndarray, reason: str) -> None:
    photometric = "rgb" if pixels.shape[2:] == (3,) else "minisblack"
    with pytest.raises(BrokenImage, match=reason):
        decode(tiff(pixels, photometric=photometric), channels=pixels.size // 16)


def test_a_huge_tiff_costs_no_memory() -> None:
    data = bytearray(tiff(np.zeros((4, 4, 5), np.uint8), photometric="minisblack"))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        tags: Any = file.pages[0].tags
        for tag in ("ImageWidth", "ImageLength"):
            at = tags[tag].valueoffset
            data[at : at + 2] = b"\xff\xff"
    with pytest.raises(BrokenImage, match="pixels, more than"):
        decode(bytes(data), channels=5)


@pytest.mark.parametrize("n", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_all_eight_orientations_match_pillow(n: int, kind: str) -> None:
    pixels = noise(4, 6)
    exif = Image.Exif()
    exif[0x0112] = n
    buffer = io.BytesIO()
    if kind == "png":
        Image.fromarray(pixels).save(buffer, "PNG", exif=exif)
    else:
        tifffile.imwrite(buffer, pixels, photometric="minisblack", extratags=[(274, 3, 1, n, True)])
    expected = np.asarray(ImageOps.exif_transpose(Image.open(buffer)))
    np.testing.assert_array_equal(decode(buffer.getvalue(), channels=1, bits=16)[..., 0], expected)


def pages(*images: np.ndarray, reduced: int, inner: bool = False, **options: Any) -> bytes:
    """A file of several pages, of which the first `reduced` say that they are thumbnails; inner: the others lie below the first one."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for number, image in enumerate(images):
            thumbnail = number < reduced
            writer.write(image, subfiletype=int(thumbnail), subifds=len(images) - reduced if inner and thumbnail else None, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("reduced", [1, 2])
def test_a_thumbnail_is_not_the_image(dtype: Any, reduced: int) -> None:
    """Also where the depth differs: 8 bits go through Pillow, 16 do not."""
    image, other = noise(16, 24, 3, dtype=dtype), noise(20, 20, 3, dtype=dtype)
    data = pages(*[noise(8, 12, 3, dtype=np.uint8)] * reduced, image, other, reduced=reduced, photometric="rgb")
    assert pixel_format_of(data) == PixelFormat(3, 8 * image.itemsize)
    np.testing.assert_array_equal(decode(data, bits=None), image)


def test_a_file_of_thumbnails_is_its_first() -> None:
    first, second = noise(8, 12, 3, dtype=np.uint8), noise(8, 12, 3, dtype=np.uint8)
    np.testing.assert_array_equal(decode(pages(first, second, reduced=2, photometric="rgb")), first)


def test_a_thumbnail_of_a_raw_photo_is_no_image() -> None:
    data = pages(noise(8, 12, 3, dtype=np.uint8), noise(16, 24, 3, dtype=np.uint8), reduced=1, inner=True, photometric="rgb")
    for read in (decode, pixel_format_of):
        with pytest.raises(BrokenImage, match="a thumbnail beside its image, as in raw photos, which are not read"):
            read(data)


def test_headers_of_ordinary_files(tmp_path: Path) -> None:
    for mode, form in (
        ("L", PixelFormat(1, 8)),
        ("RGB", PixelFormat(3, 8)),
        ("P", PixelFormat(3, 8)),
        ("LA", PixelFormat(1, 8)),
        ("RGBA", PixelFormat(3, 8)),
        ("1", PixelFormat(1, 8)),
    ):
        Image.new(mode, (3, 4)).save(tmp_path / "a.png")
        assert pixel_format_of(tmp_path / "a.png") == form, mode
    with pytest.raises(BrokenImage, match="unknown image format"):
        pixel_format_of(b"text")
