"""Every file decodes to its image or is broken for a short reason, never anything else, and never at a high cost in memory."""

import contextlib
import io
import os
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from preprocess.images.decode import EXTENSIONS, BrokenImage, ImageArray, decode, header_of

# pytest resets the filter that decode.py sets; a test below runs without pytest to check that no warning escapes.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

DATA = Path(os.environ.get("RINGCYCLE_TEST_DATA", "../shared/data"))
AWKWARD = sorted(path for path in (DATA / "awkward").glob("*") if path.suffix.lower() in EXTENSIONS)
needs_data = pytest.mark.skipif(not AWKWARD, reason=f"no images in {DATA / 'awkward'}; RINGCYCLE_TEST_DATA names the folder")

BROKEN = {
    "broken.png": "unknown image format",
    "broken_data_stream.png": "damaged",
    "decompression_bomb.gif": "pixels",
    "made_empty.jpg": "empty file",
    "made_progressive_truncated.jpg": "truncated",
    "made_text.jpg": "unknown image format",
    "png_decompression_dos.png": "damaged",
    "truncated_end_chunk.png": "truncated",
    "truncated_image.png": "truncated",
    "truncated_jpeg.jpg": "truncated",
}


@needs_data
def test_all_awkward_files_are_present() -> None:
    assert len(AWKWARD) == 71 and {path.name for path in AWKWARD} >= BROKEN.keys()


@needs_data
@pytest.mark.parametrize("path", AWKWARD, ids=lambda path: path.name)
def test_awkward_file_decodes_or_is_broken(path: Path) -> None:
    if path.name in BROKEN:
        with pytest.raises(BrokenImage, match=BROKEN[path.name]):
            decode(path)
        return
    pixels = decode(path)
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
    np.testing.assert_array_equal(pixels, decode(path.read_bytes()))
    assert header_of(path) == (*pixels.shape[:2], 8 * decode(path, bits=None).itemsize)


def awkward(name: str) -> ImageArray:
    if not AWKWARD:
        pytest.skip(f"no images in {DATA / 'awkward'}")
    return decode(DATA / "awkward" / name)


def difference(one: ImageArray, two: ImageArray) -> float:
    """Mean absolute difference of levels."""
    assert one.shape == two.shape
    return float(np.abs(one.astype(int) - two).mean())


@pytest.mark.parametrize("name", [*(f"hopper_orientation_{n}.jpg" for n in (2, 3, 5, 6, 8)), "hopper_orientation_6.webp"])
def test_orientation_is_applied(name: str) -> None:
    # JPEG and WebP each lose about 2 levels; an image turned the wrong way differs by 60 levels.
    assert difference(awkward(name), awkward("hopper.jpg")) < 6


def test_orientation_changes_the_shape() -> None:
    assert awkward("orientation_rectangle.jpg").shape == (2, 1, 3)
    assert awkward("made_phone_orientation6.jpg").shape == (275, 225, 3)
    # The same portrait, once stored on its side and once upright.
    assert difference(awkward("made_phone_orientation6.jpg"), awkward("made_progressive.jpg")) < 3


@pytest.mark.parametrize("n", range(1, 9))
def test_all_eight_orientations_match_pillow(n: int) -> None:
    image = Image.fromarray(np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3))
    exif = Image.Exif()
    exif[0x0112] = n
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    expected = ImageOps.exif_transpose(Image.open(buffer))
    np.testing.assert_array_equal(decode(buffer.getvalue()), np.asarray(expected))


def test_transparent_parts_become_white() -> None:
    for name in ("transparent.png", "transparent.webp", "transparent.gif"):
        assert (awkward(name)[0, 0] >= 254).all(), name  # WebP's corner is lossy
    assert (awkward("rgb_trns.png")[32, 32] == 255).all() and (awkward("rgb_trns.png")[0, 0] != 255).any()
    for name in ("1_trns.png", "l_trns.png", "i_trns.png"):
        assert (awkward(name)[32, 32] == 255).all(), name


def test_half_transparent_is_halfway_to_white() -> None:
    np.testing.assert_array_equal(decode(png(np.array([[[100, 0, 200, 128]]], np.uint8))), [[[177, 127, 227]]])


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_header_tells_the_size_of_the_upright_image(kind: str, orientation: int, tmp_path: Path) -> None:
    image, exif = Image.new("RGB", (30, 20)), Image.Exif()
    exif[274] = orientation
    image.save(tmp_path / "image", kind, exif=exif)
    assert header_of(tmp_path / "image") == ((30, 20, 8) if orientation == 6 else (20, 30, 8))
    (tmp_path / "image").write_bytes(b"\r\n" + (tmp_path / "image").read_bytes())
    assert header_of(tmp_path / "image")[:2] == decode(tmp_path / "image").shape[:2]


@pytest.mark.parametrize("data", [b"", b"no image", b"II*\0"])
def test_a_header_of_none_is_broken(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(data)
    with pytest.raises(BrokenImage):
        header_of(tmp_path / "image")


def test_16_bits_are_scaled_not_clipped() -> None:
    levels = np.array([[0, 128, 129, 257, 32768, 65279, 65535]], np.uint16)
    np.testing.assert_array_equal(decode(png(levels))[0, :, 0], [0, 0, 1, 1, 128, 254, 255])
    gray = awkward("16_bit_binary.pgm")
    assert gray.min() == 0 and gray.max() == 255 and len(np.unique(gray)) > 20
    np.testing.assert_array_equal(awkward("made_grey16.png")[:, :, 0], awkward("made_rgb16.png")[:, :, 1])  # made from its green channel


def test_pixels_of_unknown_range_are_refused() -> None:
    for levels in (np.full((2, 2), 0.5, np.float32), np.array([[0, 70000]], np.int32)):
        buffer = io.BytesIO()
        Image.fromarray(levels).save(buffer, "TIFF")
        with pytest.raises(BrokenImage, match="32-bit"):
            decode(buffer.getvalue())


def test_cmyk_and_lab_colours() -> None:
    # Naive CMYK inverts exactly; the rest is JPEG loss.
    assert difference(awkward("made_cmyk.jpg"), awkward("made_restart_444.jpg")) < 4
    assert (awkward("lab.tif") >= 254).all()  # white, up to rounding in the colour management
    assert awkward("pil_sample_cmyk.jpg")[10:90, 10:90].mean() < 60  # red letters on black; inverted inks would be light


def test_first_frame_of_animations() -> None:
    assert (
        difference(awkward("made_animated.gif"), awkward("made_animated.webp")) < 12
    )  # a dithered palette of 256 colours against lossy WebP
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    assert (decode(buffer.getvalue()) == [255, 0, 0]).all()


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM" + bytes(60), b"II*\0" + bytes(20)])
def test_not_an_image(data: bytes) -> None:
    with pytest.raises(BrokenImage) as error:
        decode(data)
    assert "\n" not in str(error.value) and len(str(error.value)) < 120


def test_a_missing_file_is_broken(tmp_path: Path) -> None:
    with pytest.raises(BrokenImage, match="No such file"):
        decode(tmp_path / "absent.jpg")


def test_formats_that_run_programs_are_not_opened() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "EPS")
    with pytest.raises(BrokenImage, match="PostScript is not read"):
        decode(buffer.getvalue())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF", "JPEG2000", "BMP"])
def test_damage_gives_an_image_or_broken(kind: str) -> None:
    random = np.random.default_rng(7)
    buffer = io.BytesIO()
    Image.fromarray(random.integers(0, 255, (40, 40, 3), np.uint8)).save(buffer, kind)
    good = bytearray(buffer.getvalue())
    for _ in range(60):
        data = bytearray(good[: random.integers(1, len(good) + 1)])
        for _ in range(random.integers(0, 6)):
            data[random.integers(0, min(len(data), 400))] = random.integers(0, 256)
        with contextlib.suppress(BrokenImage):
            assert decode(bytes(data)).shape[2] == 3


@pytest.mark.parametrize("side", [9000, 60000])
def test_a_decompression_bomb_costs_no_memory(side: int) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BrokenImage, match="pixels"):
        decode(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB; 9000x9000 pixels alone would take 240,000


def test_pixel_limit() -> None:
    data = png(np.zeros((10, 10, 3), np.uint8))
    assert decode(data, megapixels=1e-4).shape == (10, 10, 3)
    with pytest.raises(BrokenImage, match="10x10 pixels"):
        decode(data, megapixels=0.9e-4)


def test_at_least_reduces_large_jpegs_but_not_too_far() -> None:
    ramp = np.linspace(0, 255, 1200).astype(np.uint8)
    pixels = np.stack([np.tile(ramp, (900, 1)), np.tile(ramp[::-1], (900, 1)), np.full((900, 1200), 90, np.uint8)], axis=2)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    full, half = decode(buffer.getvalue()), decode(buffer.getvalue(), at_least=400)
    assert full.shape == (900, 1200, 3) and half.shape == (450, 600, 3)
    assert decode(buffer.getvalue(), at_least=451).shape == (900, 1200, 3)
    reduced = np.asarray(Image.fromarray(full).reduce(2))
    assert difference(half, reduced) < 1  # the mean of 2x2 pixels, up to rounding
    assert decode(png(pixels), at_least=10).shape == (900, 1200, 3)
    assert decode(buffer.getvalue(), at_least=(225, 300)).shape == (225, 300, 3)
    assert decode(buffer.getvalue(), at_least=(225, 301)).shape == decode(buffer.getvalue(), at_least=(226, 300)).shape == (450, 600, 3)


def test_at_least_is_of_the_upright_image() -> None:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (1200, 900)).save(buffer, "JPEG", exif=exif)
    assert decode(buffer.getvalue(), at_least=(300, 225)).shape == (300, 225, 3)
    assert decode(buffer.getvalue(), at_least=(225, 300)).shape == (600, 450, 3)


@needs_data
def test_pillow_warnings_do_not_escape() -> None:
    code = """
import contextlib, pathlib, sys
from preprocess.images.decode import BrokenImage, decode
for name in sys.argv[1:]:
    with contextlib.suppress(BrokenImage):
        decode(pathlib.Path(name))
"""
    run = subprocess.run([sys.executable, "-W", "default", "-c", code, *map(str, AWKWARD)], capture_output=True, text=True, check=True)
    assert run.stderr == "" and run.stdout == ""


def png(pixels: np.ndarray) -> bytes:
    """A PNG file of pixels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
