"""Decodes any image file to pixels, in the same way for training, translation and evaluation.

Colour profiles are ignored, as by the reference implementation (PIL's `convert("RGB")`): pixel values are taken as sRGB.
Transparent parts become white, the usual page background; the reference shows whatever colour is stored there.
"""

import contextlib
import io
import math
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from preprocess.images.decoded_image import BrokenImage, DecodedImage, ImageArray, TooManyPixels, to_channels, to_depth
from preprocess.images.file_headers import HEIC, jpeg2000_size, kind_of_unread
from preprocess.images.high_bit_depth import DeepTiff, deep_tiff, image_page, is_deep_png, read_deep_png
from preprocess.images.size import Size, sides_of

__all__ = [
    "EXTENSIONS",
    "READS_HEIC",
    "BrokenImage",
    "ImageArray",
    "ImageHeader",
    "PixelFormat",
    "TooManyPixels",
    "decode",
    "decode_to_resize",
    "header_of",
    "pixel_format_of",
]

MEGAPIXELS = 64
READS_HEIC = False
EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".avif"}
)

_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF", "HEIF")
_ORIENTATION_TAG = 0x0112
_TRANSPOSED = (5, 6, 7, 8)
_HEAD_BYTES = 32
_GREY = ("1", "L", "LA", "La", "I", "F")
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

with contextlib.suppress(ImportError):  # the extra `heic`
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False)
    READS_HEIC = True
    EXTENSIONS |= {".heic", ".heif", ".hif"}
Image.init()  # Otherwise Pillow registers its formats on first use, and several threads would do so at once.
# What Pillow warns about (odd metadata, many pixels) is checked here. Filters are global to all threads, so they cannot be set per call.
warnings.filterwarnings("ignore", module=r"PIL\.")


class PixelFormat(NamedTuple):
    """Pixels as the header describes them. channels: 1 for grey, 3 for colour (without alpha), else the number of bands; bits: 8 or 16."""

    channels: int
    bits: int


class ImageHeader(NamedTuple):
    """Size of the upright image, and bits of a sample, 8 or 16."""

    height: int
    width: int
    bits: int


def decode(
    data: bytes | Path, *, channels: int = 3, bits: int | None = 8, at_least: Size | None = None, megapixels: float = MEGAPIXELS
) -> ImageArray:
    """Decode an image file (its bytes, or its path) to upright pixels [H, W, channels].

    EXIF, XMP and TIFF orientation are applied; palettes, CMYK and Lab are converted; only the first frame is used, or the first page
    that is no thumbnail of another. The format is detected from the content, never from the name.
    channels: see `decoded_image.to_channels`. bits: 8 for uint8, 16 for uint16 (8 to 16 bits scales by 257, 16 to 8 by 1/257); None: as
    stored. at_least: a large JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, upright no smaller than this: several times faster.
    Raises BrokenImage, and nothing else, for a file that is not an image, is damaged, has other channels, or declares more than
    `megapixels` (checked before any pixel is decoded, so small files that claim enormous sizes cost no memory).
    """
    image = decode_to_resize(data, channels=channels, bits=bits, at_least=at_least, megapixels=megapixels)
    return np.array(image) if isinstance(image, Image.Image) else image


def decode_to_resize(
    data: bytes | Path, *, channels: int = 3, bits: int | None = 8, at_least: Size | None = None, megapixels: float = MEGAPIXELS
) -> ImageArray | Image.Image:
    """Like `decode`, but 8-bit RGB is returned as a Pillow image: resizing it directly saves two copies, a quarter of a build's time."""
    content = b""
    try:
        content = _bytes(data)
        decoded = _decoded(content, at_least, megapixels)
        if isinstance(decoded, Image.Image):
            if channels == 3 and bits in (None, 8):
                return decoded
            decoded = DecodedImage(np.array(decoded), 3)
        pixels = to_channels(decoded, channels)
        return pixels if bits is None else to_depth(pixels, bits)
    except BrokenImage:
        raise
    # Decoders raise a dozen exception types for damaged files (SyntaxError, struct.error, MemoryError …).
    except Exception as error:
        raise _as_broken(error, content, megapixels) from error


def pixel_format_of(data: bytes | Path) -> PixelFormat:
    """The pixel format from the header of an image file; no pixel is decoded. Raises BrokenImage if it cannot be opened."""
    content = b""
    try:
        content = _bytes(data)
        page = image_page(content)
        tiff = deep_tiff(content, page, math.inf)
        if tiff:
            return PixelFormat(tiff.colours, tiff.bits)
        with _open(io.BytesIO(content), page) as image:
            deep = _is_deep(image, content)
            return PixelFormat(1 if image.mode in _GREY or image.mode.startswith("I;16") else 3, 16 if deep else 8)
    except BrokenImage:
        raise
    except Exception as error:
        raise _as_broken(error, content, MEGAPIXELS) from error


def header_of(path: Path) -> ImageHeader:
    """Size and bits of what `decode` will make of a file. Reads its header only, or all of a TIFF; no pixel is decoded.

    An orientation behind the pixels of a PNG file goes unseen. Raises BrokenImage if the file cannot be opened.
    """
    head = b""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        whole = _bytes(path) if head[:1] in b"IM\r\n" else b""
        page = image_page(whole) if whole else 0
        tiff = deep_tiff(whole, page, math.inf)
        if tiff:
            return _upright_header(*tiff.size, tiff.bits, tiff.orientation)
        with _open(io.BytesIO(whole) if whole else path, page) as image:
            # Pillow turns the size of a TIFF itself, and asking a PNG without this entry would decode all its pixels.
            upright = image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info)
            return _upright_header(*image.size, 16 if _is_deep(image, whole or head) else 8, 1 if upright else _orientation(image))
    except BrokenImage:
        raise
    except Exception as error:
        raise _as_broken(error, head, MEGAPIXELS) from error


def _upright_header(width: int, height: int, bits: int, orientation: int) -> ImageHeader:
    return ImageHeader(width, height, bits) if orientation in _TRANSPOSED else ImageHeader(height, width, bits)


def _is_deep(image: Image.Image, data: bytes) -> bool:
    return is_deep_png(data) or image.mode == "I" or image.mode.startswith("I;16")


def _bytes(data: bytes | Path) -> bytes:
    data = data.read_bytes() if isinstance(data, Path) else data
    if not data:
        raise BrokenImage("empty file")
    return data.lstrip(b"\r\n") if data[:1] in b"\r\n" else data  # some web servers send an empty line before a JPEG


def _open(file: Path | io.BytesIO, page: int) -> Image.Image:
    image = Image.open(file, formats=[name for name in _FORMATS if name in Image.OPEN])
    if page:
        image.seek(page)
    return image


def _decoded(data: bytes, at_least: Size | None, megapixels: float) -> DecodedImage | Image.Image:
    page = image_page(data)
    tiff = deep_tiff(data, page, megapixels)
    if tiff:
        return _decoded_tiff(tiff, megapixels)
    if megapixels * 1e6 > (Image.MAX_IMAGE_PIXELS or 0):
        Image.MAX_IMAGE_PIXELS = int(megapixels * 1e6)  # Pillow refuses images above twice this; one limit for all threads
    with _open(io.BytesIO(data), page) as image:
        _check_size(image.size, megapixels)
        if image.format == "JPEG2000":
            _check_jpeg2000(image, data)
        if is_deep_png(data):
            return _upright(read_deep_png(data), _orientation(image))
        if at_least is not None and image.format == "JPEG":
            height, width = sides_of(at_least)
            image.draft(None, (height, width) if _orientation(image) in _TRANSPOSED else (width, height))
        image.load()
        orientation = _orientation(image)
        return _from_pillow(image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image)


def _decoded_tiff(tiff: DeepTiff, megapixels: float) -> DecodedImage:
    _check_size(tiff.size, megapixels * 4 / max(4, tiff.samples))
    return _upright(tiff.read(), tiff.orientation)


def _check_size(size: tuple[int, int], megapixels: float) -> None:
    if size[0] * size[1] > megapixels * 1e6:
        raise TooManyPixels(f"{size[0]}x{size[1]} pixels, more than {megapixels:g} megapixels")


def _check_jpeg2000(image: Image.Image, data: bytes) -> None:
    """Raises BrokenImage for a file whose decoding takes memory out of proportion to its size."""
    inner = jpeg2000_size(data)
    if (inner.width, inner.height) != image.size:
        raise BrokenImage(f"a {inner.width}x{inner.height} codestream inside a file of {image.width}x{image.height} pixels")
    if inner.out_of_proportion(len(data)):
        raise BrokenImage(f"{image.width}x{image.height} pixels in {inner.tiles} tiles and {len(data)} bytes, out of proportion")


def _orientation(image: Image.Image) -> int:
    """The orientation tag; 1 if it is missing or its block is damaged, since the pixels are valid anyway."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:
        return 1


def _upright(decoded: DecodedImage, orientation: int) -> DecodedImage:
    """Apply an orientation to pixels outside Pillow: 5 to 8 transpose first."""
    pixels = decoded.pixels
    if orientation in _TRANSPOSED:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return decoded._replace(pixels=np.ascontiguousarray(pixels))


def _from_pillow(image: Image.Image) -> DecodedImage | Image.Image:
    """Convert an image of any Pillow mode; opaque RGB is returned unchanged."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _deep_grey(image)
    if image.mode == "LAB":
        image = _lab(image)
    grey = image.mode in _GREY
    if image.has_transparency_data:
        # Converting to these modes also resolves transparent palette entries, grey levels and colours.
        return DecodedImage(np.array(image.convert("LA" if grey else "RGBA")), 1 if grey else 3, alpha=True)
    if grey:
        return DecodedImage(np.array(image.convert("L"))[..., None], 1)
    return image if image.mode == "RGB" else image.convert("RGB")


def _deep_grey(image: Image.Image) -> DecodedImage:
    """16-bit grey. `convert` would clip at 255 instead of scaling."""
    levels = np.asarray(image)
    if image.mode == "F" or levels.min() < 0 or levels.max() > 65535:
        raise BrokenImage("32-bit pixels of unknown range")
    return DecodedImage(levels.astype(np.uint16)[..., None], 1)


def _lab(image: Image.Image) -> Image.Image:
    """CIE Lab (white D50) to sRGB; Pillow converts it only through colour management."""
    converted = ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert converted is not None
    return converted


def _as_broken(error: Exception, data: bytes, megapixels: float) -> BrokenImage:
    """The reason to reject a file, from the error that its decoder raised."""
    if isinstance(error, UnidentifiedImageError):
        kind = kind_of_unread(data)
        if kind == HEIC:
            return BrokenImage(f"damaged file ({HEIC})" if READS_HEIC else f"{HEIC} is not read without the extra `heic`")
        return BrokenImage(f"{kind} is not read" if kind else "unknown image format")
    if isinstance(error, Image.DecompressionBombError):
        return TooManyPixels(f"far too many pixels, more than {megapixels:g} megapixels")
    if isinstance(error, MemoryError):
        return BrokenImage("its decoding takes more memory than one image may have")
    text = " ".join(str(error).split())[:80]
    if "truncated" in text.lower():
        return BrokenImage("truncated file")
    return BrokenImage(f"damaged file ({text or type(error).__name__})")
