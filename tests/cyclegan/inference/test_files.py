"""Written images read back unchanged, with their depth and channels."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from cyclegan.inference.files import holds, suffix_for, write_image
from preprocess.images.decode import PixelFormat, decode, pixel_format_of


def written(pixels: np.ndarray, suffix: str) -> bytes:
    file = io.BytesIO()
    write_image(pixels, suffix, file)
    return file.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("channels", "suffix"), [(1, ".png"), (3, ".PNG"), (1, ".tif"), (3, ".tiff"), (2, ".tif"), (4, ".tif"), (7, ".TIF")]
)
def test_every_sample_comes_back(channels: int, suffix: str, dtype: type[np.uint8] | type[np.uint16]) -> None:
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (9, 14, channels)).astype(dtype)
    data = written(pixels, suffix)
    assert pixel_format_of(data) == PixelFormat(channels, 8 * pixels.itemsize)
    got = decode(data, channels=channels, bits=None)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, pixels)
    np.testing.assert_array_equal(written(pixels[:, ::-1], suffix)[:4], data[:4])


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_keeps_8_bits(channels: int) -> None:
    pixels = np.full((16, 16, channels), 200 * 257, np.uint16)
    with Image.open(io.BytesIO(written(pixels, ".jpg"))) as image:
        assert image.format == "JPEG" and image.mode == ("L" if channels == 1 else "RGB")
    assert np.abs(decode(written(pixels, ".jpg"), channels=channels).astype(int) - 200).max() <= 1


def test_which_file_for_which_channels() -> None:
    assert [suffix_for(channels) for channels in (1, 2, 3, 4, 9)] == [".png", ".tif", ".png", ".tif", ".tif"]
    assert holds(".TIF", 9) and holds(".jpg", 3) and not holds(".png", 4)


def test_other_programs_read_the_bands() -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (6, 5, 4)).astype(np.uint16)
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(written(pixels, ".tif"))), pixels)
