"""Files that Pillow cannot decode without loss: 16-bit PNG, and TIFF with 16 bits, many channels or codecs that libtiff lacks.

Pillow reduces 16-bit colour to 8 bits, and opens no TIFF whose channels match none of its modes.
"""

import contextlib
import io
import logging
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
from tifffile import PHOTOMETRIC, TiffFile, TiffPage

from preprocess.images.decoded_image import MOST_CHANNELS, BrokenImage, DecodedImage, ImageArray
from preprocess.images.file_headers import Jpeg2000Size, jpeg2000_size, jpeg_size, png_size, webp_size

_PNG_DEPTH = 24  # offset of the bit depth: signature, length and name of IHDR, width, height
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ORIENTATION_TAG = 274
_PAGES = 16  # looked at for the image
_COLOURS = {PHOTOMETRIC.MINISWHITE: 1, PHOTOMETRIC.MINISBLACK: 1, PHOTOMETRIC.RGB: 3}
_ALPHA = (1, 2)  # associated, unassociated
# None, CCITT, LZW, deflate, PackBits, LZMA, Zstandard: their decoders write no more than a strip's bytes. libtiff checks JPEG itself.
_PLAIN = frozenset({1, 2, 3, 4, 5, 8, 32946, 32773, 34925, 50000})
_JPEG = frozenset({6, 7})
# Codecs whose data bring a size of their own, which may differ from the strip's.
_SIZED: dict[int, Callable[[bytes], tuple[int, ...]]] = {
    **dict.fromkeys(_JPEG, jpeg_size),
    **dict.fromkeys((33003, 33004, 33005, 34712), jpeg2000_size),
    34933: png_size,
    **dict.fromkeys((34927, 50001), webp_size),
}

# tifffile logs damage, by default to standard error; this module reports it as BrokenImage instead.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def is_deep_png(data: bytes) -> bool:
    """Whether this is a PNG file with 16 bits per sample."""
    return data[:4] == b"\x89PNG" and data[_PNG_DEPTH : _PNG_DEPTH + 1] == b"\x10"


def read_deep_png(data: bytes) -> DecodedImage:
    """Pixels of a 16-bit PNG, uint16; a transparent colour becomes alpha. Raises what imagecodecs raises for damaged files."""
    pixels = np.atleast_3d(imagecodecs.png_decode(data))
    alpha = pixels.shape[2] in (2, 4)
    return DecodedImage(pixels, pixels.shape[2] - alpha, alpha)


class DeepTiff:
    """The image of a TIFF file that Pillow cannot decode without loss."""

    def __init__(self, page: TiffPage, colours: int, alpha: bool, data: bytes) -> None:
        self._page = page
        self._data = data
        self.size = (int(page.imagewidth), int(page.imagelength))
        self.samples = int(page.samplesperpixel)
        self.colours = colours
        self.bits = 8 if page.bitspersample <= 8 else 16
        self._alpha = alpha
        tag = page.tags.get(_ORIENTATION_TAG)
        self.orientation = int(tag.value) if tag is not None else 1

    def read(self) -> DecodedImage:
        """Pixels, uint8 or uint16. Raises BrokenImage for unsupported kinds, and what tifffile raises for damaged files."""
        page = self._page
        if page.sampleformat != 1:
            raise BrokenImage(f"{page.bitspersample}-bit signed or floating-point pixels of unknown range")
        if page.imagedepth > 1:
            raise BrokenImage("a volume, not an image")
        self._check_segments()
        pixels: Any = page.asarray(maxworkers=1)
        if page.axes.startswith("S"):
            pixels = np.moveaxis(pixels, 0, -1)
        pixels = _full_range(pixels.reshape(self.size[1], self.size[0], self.samples), page.bitspersample)
        if page.photometric == PHOTOMETRIC.MINISWHITE:
            pixels[..., 0] = np.iinfo(pixels.dtype).max - pixels[..., 0]
        return DecodedImage(pixels, self.colours, self._alpha)

    def _check_segments(self) -> None:
        """Raises BrokenImage if a strip or tile holds an image larger than itself: decoders allocate what that image declares."""
        page = self._page
        size_of = _SIZED.get(int(page.compression))
        if size_of is None:
            return
        width, height = (page.tilewidth, page.tilelength) if page.is_tiled else (page.imagewidth, page.rowsperstrip or page.imagelength)
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            if count:
                size = size_of(self._data[offset : offset + count])
                if size[0] > width or size[1] > height:
                    raise BrokenImage(f"a {size[0]}x{size[1]} image inside a TIFF segment of {width}x{height} pixels")
                if isinstance(size, Jpeg2000Size) and size.out_of_proportion(count):
                    raise BrokenImage(f"{size.width}x{size.height} pixels in {size.tiles} tiles and {count} bytes, out of proportion")


def image_page(data: bytes) -> int:
    """Number of the page that holds the image: the first that is no reduced copy of another; 0 if there is none, or this is no TIFF.

    Raises BrokenImage if the thumbnail's original is no page, as in raw photos: it lies in a sub-IFD.
    """
    if data[:4] not in _TIFF:
        return 0
    pages: Any = TiffFile(io.BytesIO(data)).pages
    with contextlib.suppress(IndexError):
        for number in range(_PAGES):
            if not pages[number].is_reduced:
                return number
    if pages[0].subifds:
        raise BrokenImage("a thumbnail beside its image, as in raw photos, which are not read")
    return 0


def deep_tiff(data: bytes, page_number: int, megapixels: float) -> DeepTiff | None:
    """A page of the file as DeepTiff; None if it is not a TIFF or Pillow decodes it without loss.

    Raises BrokenImage for unsupported kinds, and for tiles of more than `megapixels`, which are decoded as a unit.
    """
    if data[:4] not in _TIFF:
        return None
    page: Any = TiffFile(io.BytesIO(data)).pages[page_number]
    plain = page.compression in _PLAIN or page.compression in _JPEG
    if not plain and page.compression not in _SIZED:
        raise BrokenImage(f"TIFF compression {getattr(page.compression, 'name', page.compression)} is not read")
    if page.is_tiled and page.tilewidth * page.tilelength > megapixels * 1e6:
        raise BrokenImage(f"tiles of {page.tilewidth}x{page.tilelength} pixels, more than {megapixels:g} megapixels")
    colours = _COLOURS.get(page.photometric)
    if colours is None and not plain:
        raise BrokenImage(f"TIFF compression {page.compression.name} with these colours is not read")
    if colours is None:
        return None
    extra = page.samplesperpixel - colours
    alpha = extra == 1 and page.extrasamples[:1] and page.extrasamples[0] in _ALPHA
    if plain and page.bitspersample <= 8 and (extra == 0 or alpha):
        return None
    if page.bitspersample > 16:
        raise BrokenImage(f"{page.bitspersample}-bit pixels of unknown range")
    if page.samplesperpixel > MOST_CHANNELS:
        raise BrokenImage(f"{page.samplesperpixel} channels, more than {MOST_CHANNELS}")
    # One unnamed sample next to RGB is padding or a mask; samples next to grey, or several of them, are bands.
    bands = extra > 0 and not alpha and not (colours == 3 and extra == 1)
    return DeepTiff(page, page.samplesperpixel if bands else colours, bool(alpha), data)


def _full_range(pixels: ImageArray, bits: int) -> ImageArray:
    """Stretch samples of odd depths (2, 4, 10, 12, 14 bits) to the full range of their dtype; a new array."""
    if pixels.dtype not in (np.uint8, np.uint16):
        raise BrokenImage(f"pixels of type {pixels.dtype}")
    most, given = int(np.iinfo(pixels.dtype).max), 2**bits - 1
    if given == most:
        return np.array(pixels)
    stretched: ImageArray = ((pixels.astype(np.uint32) * most + given // 2) // given).astype(pixels.dtype)
    return stretched
