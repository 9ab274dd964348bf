"""Any picture file to 8-bit RGB: the one way in which training, translation and evaluation see a file.

Pillow and NumPy only. Colour profiles are ignored, as by the reference implementation (PIL's `convert("RGB")`): pixel values are
taken as sRGB. Transparent parts show white, the usual page behind a picture; the reference shows whatever colour hides there.
"""

import io
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, UnidentifiedImageError

UInt8 = npt.NDArray[np.uint8]

MEGAPIXELS = 64
EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".avif"}
)

_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Image.init()  # Pillow finds its formats on first use otherwise, which threads would do at the same time.
# What Pillow warns of (odd metadata, many pixels) is decided here. A filter a call is no choice: filters belong to all threads.
warnings.filterwarnings("ignore", module=r"PIL\.")


class BrokenPicture(Exception):
    """A file that holds no usable picture; the text is the reason, one short phrase."""


def decode(data: bytes | Path, *, at_least: int | None = None, megapixels: float = MEGAPIXELS) -> UInt8:
    """Decode a picture file (its bytes, or its path) to uint8 RGB [H, W, 3], upright.

    EXIF and XMP orientation are applied, palettes, grey, CMYK and Lab converted, alpha laid over white, 16 bits scaled by
    1/257; of an animation the first frame counts. The format is found by content, never by name.
    at_least: a large JPEG may come at 1/2, 1/4 or 1/8 of its size, neither side below `at_least` pixels: several times faster.
    Raises BrokenPicture, and nothing else, for what is no picture, is damaged, or declares more than `megapixels` (found before
    any pixel is decoded, so small files that claim enormous sizes cost no memory).
    """
    try:
        data = data.read_bytes() if isinstance(data, Path) else data
        if not data:
            raise BrokenPicture("empty file")
        with Image.open(io.BytesIO(data), formats=[name for name in _FORMATS if name in Image.OPEN]) as image:
            _bounded(image.size, megapixels)
            if at_least is not None and image.format == "JPEG":
                image.draft(None, (at_least, at_least))
            image.load()
            orientation = _orientation(image)
            upright = image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image
            return np.array(_rgb(upright))
    except BrokenPicture:
        raise
    # Pillow's decoders answer damage with a dozen exception types (SyntaxError, struct.error, MemoryError …).
    except Exception as error:
        raise BrokenPicture(_reason(error)) from error


def _bounded(size: tuple[int, int], megapixels: float) -> None:
    if size[0] * size[1] > megapixels * 1e6:
        raise BrokenPicture(f"{size[0]}x{size[1]} pixels, more than {megapixels:g} megapixels")


def _orientation(image: Image.Image) -> int:
    """The orientation tag, 1 if there is none or its block is damaged: the pixels are good all the same."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:
        return 1


def _rgb(image: Image.Image) -> Image.Image:
    """Convert any mode of Pillow's to RGB."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _deep_gray(image)
    if image.mode == "LAB":
        return _lab(image)
    if image.has_transparency_data:
        # By "RGBA" Pillow also resolves transparent palette entries, grey levels and colours.
        image = image.convert("RGBA")
        page = Image.new("RGBA", image.size, "white")
        page.alpha_composite(image)
        image = page
    return image.convert("RGB")


def _deep_gray(image: Image.Image) -> Image.Image:
    """16-bit grey to RGB. `convert` would clip at 255 instead of scaling."""
    levels = np.asarray(image)
    if image.mode == "F" or levels.min() < 0 or levels.max() > 65535:
        raise BrokenPicture("32-bit pixels, whose black and white are unknown")
    gray = ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        gray[levels == transparent] = 255
    return Image.fromarray(gray).convert("RGB")


def _lab(image: Image.Image) -> Image.Image:
    """CIE Lab (white D50) to sRGB, which Pillow does by colour management only."""
    converted = ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert converted is not None
    return converted


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no picture of a known format"
    if isinstance(error, Image.DecompressionBombError):
        return "far too many pixels"
    text = " ".join(str(error).split())[:80]
    if "truncated" in text.lower():
        return "truncated file"
    return f"damaged file ({text or type(error).__name__})"
