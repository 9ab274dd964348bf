"""Small image files of every format, and files that only look like images."""

import io
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")


def pixels(height: int = 40, width: int = 52, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def encoded(kind: str = "PNG", height: int = 40, width: int = 52) -> bytes:
    """A file of noise, which no codec makes much smaller."""
    buffer = io.BytesIO()
    Image.fromarray(pixels(height, width)).save(buffer, kind)
    return buffer.getvalue()


def tiff(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, planarconfig="contig" if array.ndim == 3 else None, photometric="minisblack")
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, data: bytes = b"", *, bits: int = 8, colour: int = 2, extra: bytes = b"") -> bytes:
    """A PNG file that declares a size, whatever its compressed data hold."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def declaring(kind: str, width: int, height: int) -> bytes:
    """A file of a few hundred bytes whose header declares a size of its pixels."""
    if kind == "PNG":
        return png(width, height)
    if kind == "PPM":
        return f"P6 {width} {height} 255\n".encode() + bytes(100)
    data = bytearray(encoded(kind, 8, 8))
    if kind == "GIF":
        data[6:10] = struct.pack("<HH", min(width, 65535), min(height, 65535))
    elif kind == "BMP":
        data[18:26] = struct.pack("<ii", width, height)
    elif kind == "JPEG":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", min(height, 65535), min(width, 65535))
    elif kind == "JPEG2000":
        at = data.index(b"\xff\x4f\xff\x51") + 8
        data[at : at + 8] = struct.pack(">II", width, height)
        at = data.index(b"ihdr") + 4
        data[at : at + 8] = struct.pack(">II", height, width)
    else:
        raise ValueError(kind)
    return bytes(data)


def really(width: int, height: int) -> bytes:
    """A complete white PNG of one bit a pixel: 1,000 times smaller than its pixels."""
    buffer = io.BytesIO()
    Image.new("1", (width, height), 1).save(buffer, "PNG")
    return buffer.getvalue()
