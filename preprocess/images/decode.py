"""Any image file to pixels: the one way in which training, translation and evaluation see a file.

Colour profiles are ignored, as by the reference implementation (PIL's `convert("RGB")`): pixel values are taken as sRGB.
Transparent parts show white, the usual page behind a image; the reference shows whatever colour hides there.
"""

import io
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, UnidentifiedImageError

from preprocess.images.decoded_image import BrokenImage, DecodedImage, ImageArray, to_channels, to_depth
from preprocess.images.high_bit_depth import DeepTiff, deep_tiff, is_deep_png, read_deep_png

__all__ = ["EXTENSIONS", "BrokenImage", "Form", "ImageArray", "UInt8", "decode", "decode_to_resize", "form_of"]

UInt8 = npt.NDArray[np.uint8]

MEGAPIXELS = 64
EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".avif"}
)

_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
_ORIENTATION_TAG = 0x0112
_GRAY = ("1", "L", "LA", "La", "I", "F")
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


class Form(NamedTuple):
    """What a file's header says of it. channels: 1 for grey, 3 for colour, alpha left out, else the number of bands; bits: 8 or 16."""

    channels: int
    bits: int


def decode(
    data: bytes | Path, *, channels: int = 3, bits: int | None = 8, at_least: int | None = None, megapixels: float = MEGAPIXELS
) -> ImageArray:
    """Decode a image file (its bytes, or its path) to pixels [H, W, channels], upright.

    EXIF, XMP and TIFF orientation are applied, palettes, CMYK and Lab converted; of an animation or of pages the first counts. The
    format is found by content, never by name.
    channels: see `raster.to_channels`. bits: 8 for uint8, 16 for uint16, 16 bits scaled by 1/257 and 8 by 257; None: as the file has.
    at_least: a large JPEG may come at 1/2, 1/4 or 1/8 of its size, neither side below `at_least` pixels: several times faster.
    Raises BrokenImage, and nothing else, for what is no image, is damaged, has other channels, or declares more than `megapixels`
    (found before any pixel is decoded, so small files that claim enormous sizes cost no memory).
    """
    image = decode_to_resize(data, channels=channels, bits=bits, at_least=at_least, megapixels=megapixels)
    return np.array(image) if isinstance(image, Image.Image) else image


def decode_to_resize(
    data: bytes | Path, *, channels: int = 3, bits: int | None = 8, at_least: int | None = None, megapixels: float = MEGAPIXELS
) -> ImageArray | Image.Image:
    """As `decode`, but 8-bit RGB stays Pillow's own image, if that is asked for: resizing it saves two copies, a quarter of a build."""
    try:
        raster = _raster(_bytes(data), at_least, megapixels)
        if isinstance(raster, Image.Image):
            if channels == 3 and bits in (None, 8):
                return raster
            raster = DecodedImage(np.array(raster), 3)
        pixels = to_channels(raster, channels)
        return pixels if bits is None else to_depth(pixels, bits)
    except BrokenImage:
        raise
    # Decoders answer damage with a dozen exception types (SyntaxError, struct.error, MemoryError …).
    except Exception as error:
        raise BrokenImage(_reason(error)) from error


def form_of(data: bytes | Path) -> Form:
    """What the header of a image file says, no pixel is decoded. Raises BrokenImage for what cannot be opened."""
    try:
        data = _bytes(data)
        tiff = deep_tiff(data)
        if tiff:
            return Form(tiff.colours, tiff.bits)
        with _open(data) as image:
            deep = is_deep_png(data) or image.mode == "I" or image.mode.startswith("I;16")
            return Form(1 if image.mode in _GRAY or image.mode.startswith("I;16") else 3, 16 if deep else 8)
    except BrokenImage:
        raise
    except Exception as error:
        raise BrokenImage(_reason(error)) from error


def _bytes(data: bytes | Path) -> bytes:
    data = data.read_bytes() if isinstance(data, Path) else data
    if not data:
        raise BrokenImage("empty file")
    return data


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=[name for name in _FORMATS if name in Image.OPEN])


def _raster(data: bytes, at_least: int | None, megapixels: float) -> DecodedImage | Image.Image:
    tiff = deep_tiff(data)
    if tiff:
        return _tiff_raster(tiff, megapixels)
    with _open(data) as image:
        _bounded(image.size, megapixels)
        if is_deep_png(data):
            return _turned(read_deep_png(data), _orientation(image))
        if at_least is not None and image.format == "JPEG":
            image.draft(None, (at_least, at_least))
        image.load()
        orientation = _orientation(image)
        return _of_pillow(image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image)


def _tiff_raster(tiff: DeepTiff, megapixels: float) -> DecodedImage:
    _bounded(tiff.size, megapixels * 4 / max(4, tiff.samples))
    return _turned(tiff.read(), tiff.orientation)


def _bounded(size: tuple[int, int], megapixels: float) -> None:
    if size[0] * size[1] > megapixels * 1e6:
        raise BrokenImage(f"{size[0]}x{size[1]} pixels, more than {megapixels:g} megapixels")


def _orientation(image: Image.Image) -> int:
    """The orientation tag, 1 if there is none or its block is damaged: the pixels are good all the same."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:
        return 1


def _turned(raster: DecodedImage, orientation: int) -> DecodedImage:
    """Apply an orientation to pixels that are not Pillow's: 5 to 8 reflect at the diagonal first."""
    pixels = raster.pixels
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return raster._replace(pixels=np.ascontiguousarray(pixels))


def _of_pillow(image: Image.Image) -> DecodedImage | Image.Image:
    """A raster of any of Pillow's modes; opaque RGB as it is."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _deep_gray(image)
    if image.mode == "LAB":
        image = _lab(image)
    gray = image.mode in _GRAY
    if image.has_transparency_data:
        # These modes also resolve transparent palette entries, grey levels and colours.
        return DecodedImage(np.array(image.convert("LA" if gray else "RGBA")), 1 if gray else 3, alpha=True)
    if gray:
        return DecodedImage(np.array(image.convert("L"))[..., None], 1)
    return image if image.mode == "RGB" else image.convert("RGB")


def _deep_gray(image: Image.Image) -> DecodedImage:
    """16-bit grey. `convert` would clip at 255 instead of scaling."""
    levels = np.asarray(image)
    if image.mode == "F" or levels.min() < 0 or levels.max() > 65535:
        raise BrokenImage("32-bit pixels, whose black and white are unknown")
    return DecodedImage(levels.astype(np.uint16)[..., None], 1)


def _lab(image: Image.Image) -> Image.Image:
    """CIE Lab (white D50) to sRGB, which Pillow does by colour management only."""
    converted = ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert converted is not None
    return converted


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no image of a known format"
    if isinstance(error, Image.DecompressionBombError):
        return "far too many pixels"
    text = " ".join(str(error).split())[:80]
    if "truncated" in text.lower():
        return "truncated file"
    return f"damaged file ({text or type(error).__name__})"
