"""Small files that would take gigabytes to decode are rejected by their headers, and what is inside them by its own."""

import io
import resource
import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from preprocess.images.decode import BrokenImage, TooManyPixels, decode, pixel_format_of

AWKWARD_2 = Path(__file__).parents[3].parent / "shared" / "data" / "awkward_2"
needs_data = pytest.mark.skipif(not AWKWARD_2.is_dir(), reason=f"{AWKWARD_2} is missing")
SIDE = 9000
KIB_FOR_NOTHING = 30_000


def tiff_around(segment: bytes, compression: int, side: int = 64, bits: int = 8, **more: tuple[int, int]) -> bytes:
    """A TIFF of one RGB strip that declares side x side pixels, whatever the segment holds. more: tags by number, as (type, value)."""
    entries = {
        256: (4, side),
        257: (4, side),
        258: (3, bits),
        259: (3, compression),
        262: (3, 1),
        273: (4, 8),
        277: (3, 1),
        278: (4, side),
        279: (4, len(segment)),
        **{int(tag.removeprefix("tag")): entry for tag, entry in more.items()},
    }
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in sorted(entries.items()))
    padded = segment + bytes(len(segment) % 2)
    return b"II*\0" + struct.pack("<I", 8 + len(padded)) + padded + struct.pack("<H", len(entries)) + directory + bytes(4)


def white(codec: str, side: int = SIDE) -> bytes:
    """A white grey image of side x side pixels."""
    buffer = io.BytesIO()
    Image.new("L", (side, side), 255).save(buffer, codec)
    return buffer.getvalue()


def rejected(data: bytes, **options: float) -> str:
    """The reason to reject a file, for which no memory may be taken."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BrokenImage) as error:
        decode(data, **options)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < KIB_FOR_NOTHING
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("codec", "compression"), [("PNG", 34933), ("WEBP", 50001), ("JPEG2000", 34712)])
def test_the_image_inside_a_tiff_is_no_larger_than_its_strip(codec: str, compression: int, bits: int) -> None:
    grey = np.zeros((200, 200), np.uint8)
    segment = imagecodecs.jpeg2k_encode(grey, codecformat="j2k") if codec == "JPEG2000" else white(codec, 200)
    assert "a 200x200 image inside a TIFF segment of 64x64 pixels" in rejected(tiff_around(segment, compression, bits=bits))


def test_a_jpeg_inside_a_deep_tiff_is_checked_too() -> None:
    segment = imagecodecs.jpeg8_encode(np.zeros((200, 200), np.uint16), bitspersample=12)
    assert "a 200x200 image inside a TIFF segment" in rejected(tiff_around(segment, 7, bits=12))


def test_huge_tiles_count_as_pixels() -> None:
    data = tiff_around(b"\0" * 100, 1, tag322=(4, 60_000), tag323=(4, 60_000), tag324=(4, 8), tag325=(4, 100))
    assert "tiles of 60000x60000 pixels, more than 64 megapixels" in rejected(data)


@pytest.mark.parametrize(("number", "name"), [(50002, "JPEGXL"), (34887, "LERC"), (33007, "compression")])
def test_other_codecs_in_a_tiff_are_named(number: int, name: str) -> None:
    assert name in rejected(tiff_around(b"\0" * 100, number)) and "is not read" in rejected(tiff_around(b"\0" * 100, number))


def test_a_small_jpeg2000_of_many_pixels() -> None:
    data = imagecodecs.jpeg2k_encode(np.zeros((7900, 7900), np.uint8), codecformat="jp2", reversible=True)
    assert len(data) < 10_000
    assert "out of proportion" in rejected(data)


def test_a_jpeg2000_of_many_tiles() -> None:
    data = bytearray(imagecodecs.jpeg2k_encode(np.full((300, 300), 7, np.uint8), codecformat="j2k", reversible=True))
    data[24:32] = struct.pack(">2I", 2, 2)
    assert "22500 tiles" in rejected(bytes(data))


def test_the_codestream_of_a_jpeg2000_agrees_with_its_file() -> None:
    data = imagecodecs.jpeg2k_encode(np.zeros((300, 300), np.uint8), codecformat="jp2")
    forged = data.replace(b"ihdr" + struct.pack(">2I", 300, 300), b"ihdr" + struct.pack(">2I", 64, 64))
    assert forged != data
    assert "a 300x300 codestream inside a file of 64x64 pixels" in rejected(forged)


def test_ordinary_jpeg2000_is_decoded() -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (90, 70, 3)).astype(np.uint8)
    for codec in ("jp2", "j2k"):
        data = imagecodecs.jpeg2k_encode(pixels, codecformat=codec, reversible=True)
        np.testing.assert_array_equal(decode(data), pixels)


def test_the_pixel_limit_can_be_raised_above_pillows_own() -> None:
    side = 14_000  # 196 megapixels; Pillow alone refuses 179
    data = white("PNG", side)
    with pytest.raises(TooManyPixels):
        decode(data)
    assert decode(data, channels=1, megapixels=200).shape == (side, side, 1)


@needs_data
@pytest.mark.parametrize("codec", ["png", "webp", "jpeg2000"])
def test_8_bit_tiff_in_modern_codecs(codec: str) -> None:
    pixels = decode(AWKWARD_2 / f"tif8_{codec}.tif")
    assert pixels.shape == (64, 96, 3)
    assert np.abs(pixels.astype(int) - decode(AWKWARD_2 / "tif8_png.tif")).mean() < 1
    assert pixel_format_of(AWKWARD_2 / f"tif8_{codec}.tif") == (3, 8)


@needs_data
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("tif8_jpegxl.tif", "TIFF compression JPEGXL is not read"),
        ("tif8_lerc.tif", "TIFF compression LERC is not read"),
        ("jls.jpg", "JPEG-LS is not read"),
        ("jpg12.jpg", "JPEG of 12 bits is not read"),
        ("pic.tga", "unknown image format"),
    ],
)
def test_what_is_not_read_is_named(name: str, reason: str) -> None:
    assert rejected((AWKWARD_2 / name).read_bytes()) == reason


@needs_data
def test_a_line_break_before_a_jpeg() -> None:
    assert np.abs(decode(AWKWARD_2 / "jpg_leading.jpg").astype(int) - decode(AWKWARD_2 / "tif8_png.tif")).mean() < 5


def test_16_bit_tiff_in_jpeg2000_keeps_every_sample() -> None:
    pixels = np.random.default_rng(1).integers(0, 65536, (40, 50, 3)).astype(np.uint16)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, photometric="rgb", compression="jpeg2000", compressionargs={"reversible": True, "level": 0})
    np.testing.assert_array_equal(decode(buffer.getvalue(), bits=16), pixels)
