"""Photo-like JPEG files in the layout of a source, for benchmarks: any size, any number, no two with the same bytes."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

DISTINCT = 16  # drawing and encoding take longer than a build, and repeated images decode at the same speed


def write_images(source: Path, count: int, width: int, height: int) -> None:
    """Write `count` images into trainA and as many into trainB, JPEG at quality 90 with 4:2:0 colour."""
    files = [_jpeg(number, width, height) for number in range(DISTINCT)]
    for split in ("trainA", "trainB"):
        (source / split).mkdir(parents=True)
        for number in range(count):
            # Decoders ignore bytes after the end of a JPEG; these make each file different.
            (source / split / f"{number:06d}.jpg").write_bytes(files[number % DISTINCT] + f"{split}{number}".encode())


def _jpeg(number: int, width: int, height: int) -> bytes:
    """About 1.5 bits per pixel."""
    file = io.BytesIO()
    Image.fromarray(photo(number, width, height)).save(file, "JPEG", quality=90)
    return file.getvalue()


def photo(number: int, width: int, height: int) -> npt.NDArray[np.uint8]:
    """Pixels [H, W, 3]: noise of every scale, each with half the contrast of the coarser one, as in photos."""
    random = np.random.default_rng(number)
    pixels = np.zeros((height, width, 3), np.float32)
    contrast, scale = 110.0, 4
    while scale < min(width, height):
        coarse = Image.fromarray(random.integers(0, 256, (scale * height // width + 2, scale, 3), np.uint8))
        pixels += contrast * (np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 255 - 0.5)
        contrast, scale = contrast / 2, scale * 2
    return np.clip(pixels + 128, 0, 255).astype(np.uint8)
