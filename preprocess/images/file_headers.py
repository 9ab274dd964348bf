"""What the first bytes of a file declare: its kind, and the size of compressed images inside other files. No pixel is decoded."""

import struct
from typing import NamedTuple

HEAD_BYTES = 32
"""How much of a file `is_image` and `kind_of_unread` look at."""

HEIC = "HEIC"
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOF_LOSSLESS_LS = 0xF7
_PIXELS_PER_BYTE = 1000  # of JPEG 2000; photographs have one to ten
_PIXELS_PER_TILE = 1024
_ALONE = frozenset(range(0xD0, 0xD9)) | {0x01}  # JPEG markers without a length


class Jpeg2000Size(NamedTuple):
    """What the SIZ marker of a JPEG 2000 codestream declares."""

    width: int
    height: int
    tiles: int
    components: int

    def out_of_proportion(self, length: int) -> bool:
        """Whether decoding `length` bytes would take memory out of proportion: 17 bytes a pixel, 7 KB a tile."""
        pixels = self.width * self.height
        return pixels > _PIXELS_PER_BYTE * length or self.tiles > 1 + pixels // _PIXELS_PER_TILE


def is_image(head: bytes, heic: bool = False) -> bool:
    """Whether a file that starts with these bytes has a format that this version decodes; heic: whether HEIC counts."""
    head = head.lstrip(b"\r\n")
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")):
        return True
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return True
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    if head[:2] == b"BM":
        return int.from_bytes(head[14:18], "little") in _BMP_HEADERS
    if head[:1] == b"P":
        return head[1:2] in b"123456" and head[2:3].isspace()
    if head[4:8] == b"ftyp":
        return head[8:12] in _AVIF_BRANDS or b"avif" in head[16:] or (heic and head[8:12] in _HEIC_BRANDS)
    return False


def kind_of_unread(data: bytes) -> str:
    """The name of an image format that this version recognises but does not decode, or not always; empty if unknown."""
    head = data[:HEAD_BYTES]
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        return HEIC
    if head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return "JPEG XL"
    if head.startswith(b"8BPS"):
        return "Photoshop"
    if head.startswith((b"%!PS", b"\xc5\xd0\xd3\xc6")):
        return "PostScript"
    if head.startswith(b"%PDF"):
        return "PDF"
    if head.startswith(b"\xff\xd8"):
        frame = _jpeg_frame(data)
        if frame and frame[0] == _SOF_LOSSLESS_LS:
            return "JPEG-LS"
        if frame and data[frame[1] + 2] != 8:
            return f"JPEG of {data[frame[1] + 2]} bits"
    return ""


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height in the frame header of a JPEG stream. Raises ValueError if there is none."""
    frame = _jpeg_frame(data)
    if frame is None:
        raise ValueError("no JPEG frame")
    height, width = struct.unpack_from(">HH", data, frame[1] + 3)
    return width, height


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG file. Raises ValueError if it is none."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
        raise ValueError("not PNG")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def webp_size(data: bytes) -> tuple[int, int]:
    """Width and height of a WebP file. Raises ValueError if it is none."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise ValueError("not WebP")
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError("not WebP")


def jpeg2000_size(data: bytes) -> Jpeg2000Size:
    """The SIZ marker of a JPEG 2000 file, or of a bare codestream. Raises ValueError if there is none (ISO/IEC 15444-1, A.5.1 and I.4)."""
    start = 0
    if data[4:8] == b"jP  ":
        while data[start + 4 : start + 8] != b"jp2c":
            length, header = int.from_bytes(data[start : start + 4]), 8
            if length == 1:
                length, header = int.from_bytes(data[start + 8 : start + 16]), 16
            if length < header or start + length >= len(data):
                raise ValueError("no JPEG 2000 codestream")
            start += length
        start += 16 if data[start : start + 4] == b"\0\0\0\1" else 8
    if data[start : start + 4] != b"\xff\x4f\xff\x51":
        raise ValueError("no JPEG 2000 codestream")
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, components = struct.unpack_from(">8IH", data, start + 8)
    if right <= left or bottom <= top or not tile_width or not tile_height:
        raise ValueError("JPEG 2000 of no size")
    tiles = -(-(right - tile_left) // tile_width) * -(-(bottom - tile_top) // tile_height)
    return Jpeg2000Size(right - left, bottom - top, tiles, components)


def _jpeg_frame(data: bytes) -> tuple[int, int] | None:
    """The marker of a JPEG stream's frame header and the offset of its length; None if there is none before the pixels."""
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _SOF or marker == _SOF_LOSSLESS_LS:
            return marker, at + 2
        if marker == 0xDA:
            return None
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None
