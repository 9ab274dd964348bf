"""Requests that must be refused, each with the status that says why. Made by code: no file is needed."""

import gzip
import io
import json
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import numpy as np

from tests.cluster.serving.asking import Asked
from tests.cluster.serving.image_files import FORMATS, chunk, declaring, encoded, png, really, tiff

TOKEN = "correct-horse-battery-staple"
MOST_BYTES = 3_000_000
MEGAPIXELS = 20
GOOD = encoded("PNG")

Bad = tuple[str, Asked, int]
"""A name, a request, and the status of its answer."""


def bad_uploads() -> Iterator[Bad]:
    """To a server without a token."""
    for kind in (truncated, damaged, no_images, too_many_pixels, other_channels, other_types, directions, forms, lengths, routes):
        yield from kind()


def upload(content: bytes, kind: bytes = b"application/octet-stream") -> Asked:
    return Asked([content], headers=[(b"content-type", kind)])


def truncated() -> Iterator[Bad]:
    for kind in FORMATS:
        whole = encoded(kind)
        for share in (0.3, 0.5, 0.7, 0.9):
            # JPEG 2000 is made to be shown while it arrives: its decoder takes any part behind the header.
            if kind != "JPEG2000":
                yield f"{kind}, the first {share:.0%}", upload(whole[: int(share * len(whole))]), 422
        yield f"{kind}, 20 bytes", upload(whole[:20]), 422


def damaged() -> Iterator[Bad]:
    """The right first bytes, then others."""
    for kind in FORMATS:
        start = encoded(kind)[:20]
        yield f"{kind}, then zeros", upload(start + bytes(500)), 422
        yield f"{kind}, then noise", upload(start + np.random.default_rng(1).bytes(500)), 422
        if kind in ("PNG", "WEBP", "TIFF", "JPEG2000"):  # to the others any bytes are pixels, or passed over
            yield f"{kind}, then itself", upload(start + encoded(kind)), 422
    whole = encoded("PNG")
    yield "PNG with a wrong checksum", upload(whole[:29] + b"\0\0\0\0" + whole[33:]), 422
    yield "PNG without pixels", upload(png(4, 4)), 422
    yield "PNG of 0 x 4 pixels", upload(png(0, 4)), 422
    yield "PNG of unknown colour type", upload(png(4, 4, bytes(100), colour=5)), 422
    yield "PNG of 3 bits", upload(png(4, 4, bytes(100), bits=3)), 422
    yield "PNG whose text is a bomb", upload(png(4, 4, bytes(52), extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2 * 10**8))))), 422
    yield "PNG whose profile is a bomb", upload(png(4, 4, bytes(52), extra=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(2 * 10**8))))), 422
    yield "JPEG without a frame", upload(b"\xff\xd8\xff\xda" + bytes(100)), 422
    yield "JPEG of its two markers", upload(b"\xff\xd8\xff\xd9"), 422


def no_images() -> Iterator[Bad]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("image.png", GOOD)
    tape = io.BytesIO()
    with tarfile.open(fileobj=tape, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("image.png"))
    contents = {
        "text": b"an image",
        "HTML": b"<!doctype html><script>alert(1)</script>",
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "XML with an entity": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "JSON": json.dumps({"image": "x" * 100}).encode(),
        "base64": b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
        "data URL": b"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB",
        "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "ZIP": archive.getvalue(),
        "TAR": tape.getvalue(),
        "GZIP of an image": gzip.compress(GOOD),
        "ELF": b"\x7fELF\x02\x01\x01" + bytes(100),
        "pickle": pickle.dumps({"image": [1, 2, 3]}),
        "NumPy": b"\x93NUMPY\x01\x00" + bytes(100),
        "MP4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(100),
        "MP3": b"ID3\x04\0\0\0\0\0\0" + bytes(100),
        "WAV": b"RIFF\x24\0\0\0WAVEfmt " + bytes(100),
        "AVI": b"RIFF\x24\0\0\0AVI LIST" + bytes(100),
        "OGG": b"OggS\0" + bytes(100),
        "WebM": b"\x1a\x45\xdf\xa3" + bytes(100),
        "icon": b"\0\0\1\0\1\0" + bytes(100),
        "Photoshop": b"8BPS\0\1" + bytes(100),
        "JPEG XL": b"\xff\x0a" + bytes(100),
        "OpenEXR": b"\x76\x2f\x31\x01" + bytes(100),
        "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "font": b"\0\1\0\0\0\x0f\0\x80" + bytes(100),
        "SQLite": b"SQLite format 3\0" + bytes(100),
        "a shell script": b"#!/bin/sh\necho\n",
        "PNG behind a space": b" " + GOOD,
        "PNG as text": GOOD.replace(b"\r\n", b"\n"),
        "PNG backwards": GOOD[::-1],
        "PNG of other bits": bytes(255 - byte for byte in GOOD),
        "WebP without a picture": b"RIFF\x04\0\0\0WEBX",
    }
    for name, content in contents.items():
        yield name, upload(content), 415
    for seed in range(8):
        yield f"noise {seed}", upload(b"\x01" + np.random.default_rng(seed).bytes(1000)), 415
    for size in (1, 2, 3, 1000):
        yield f"{size} zeros", upload(bytes(size)), 415
    yield "nothing", upload(b""), 400
    yield "line ends alone", upload(b"\r\n" * 10), 415


def too_many_pixels() -> Iterator[Bad]:
    for kind in ("PNG", "PPM", "GIF", "BMP", "JPEG", "JPEG2000"):
        for width, height in ((5000, 5000), (60_000, 1000), (1000, 60_000), (65_000, 65_000)):
            yield f"{kind} that declares {width}x{height}", upload(declaring(kind, width, height)), 413
    for width, height in ((100_000, 100_000), (2**31 - 1, 1), (1, 2**31 - 1), (2**31 - 1, 2**31 - 1)):
        yield f"PNG that declares {width}x{height}", upload(png(width, height)), 413
    for side in (4500, 9000):
        yield f"a white PNG of {side}x{side}", upload(really(side, side)), 413
    # In proportion to the square that the networks take, a narrow image becomes a huge one.
    for width, height in ((1, 60_000), (60_000, 1), (2, 100_000), (100_000, 2)):
        yield f"a line of {width}x{height}", upload(really(width, height)), 413


def other_channels() -> Iterator[Bad]:
    for bands in (2, 5, 7):
        yield f"TIFF of {bands} bands", upload(tiff(np.zeros((9, 9, bands), np.uint8))), 422
    yield "TIFF of floating point", upload(tiff(np.full((9, 9), 0.5, np.float32))), 422
    yield "TIFF of 32 bits", upload(tiff(np.full((9, 9), 70_000, np.uint32))), 422


def other_types() -> Iterator[Bad]:
    types = ("text/plain", "text/html; charset=utf-8", "application/json", "application/xml", "application/pdf", "application/zip")
    types += ("video/mp4", "audio/mpeg", "font/woff2", "multipart/mixed; boundary=x", "multipart/related; boundary=x", "message/http")
    types += (
        "image",
        "image\\png",
        "*/*",
        "png",
        "../image/png",
        ";",
        "application/octet-streams",
        "x" * 5000,
        "image /png",
        "i\xe9mage/png",
    )
    for number, kind in enumerate(types):
        if kind != ";":  # which is an empty type, as if there were none
            yield f"type {number}: {kind[:30]}", upload(GOOD, kind.encode("latin-1")), 415
    for encoding in (b"gzip", b"deflate", b"br", b"zstd", b"gzip, identity", b"x", b""):
        asked = upload(GOOD)
        yield f"encoding {encoding!r}", replace(asked, headers=[*asked.headers, (b"content-encoding", encoding)]), 415


def directions() -> Iterator[Bad]:
    queries = (
        b"",
        b"direction",
        b"direction=",
        b"direction=atob",
        b"direction=ATOB",
        b"direction=AtoC",
        b"direction=A",
        b"direction=AtoB%20",
    )
    queries += (b"direction=%00AtoB", b"direction=AtoB%0A", b"direction=AtoB%2CBtoA", b"direction[]=AtoB", b"Direction=AtoB", b"dir=AtoB")
    queries += (b"direction=../../etc/passwd", b"direction=%3Cscript%3E", b"direction=1", b"direction=%F0%9F%98%80", b"direction=%FF%FE")
    queries += (b"direction=" + b"A" * 10_000, b"direction=AtoB&direction=x", b"direction=%E2%80%AEAtoB", b"=&&&=;", b"direction=%")
    for number, query in enumerate(queries):
        yield f"query {number}: {query[:30]!r}", replace(upload(GOOD), query=query), 422


def part(content: bytes, disposition: bytes = b'form-data; name="image"; filename="a.png"', more: bytes = b"") -> bytes:
    return b"--b\r\nContent-Disposition: " + disposition + b"\r\n" + more + b"\r\n" + content + b"\r\n"


def form(*parts: bytes, end: bytes = b"--b--\r\n", kind: bytes = b"multipart/form-data; boundary=b") -> Asked:
    return upload(b"".join(parts) + end, kind)


def forms() -> Iterator[Bad]:
    field = part(b"AtoB", b'form-data; name="direction"')
    good = part(GOOD)
    asked = {
        "no boundary": form(good, kind=b"multipart/form-data"),
        "an empty boundary": form(good, kind=b"multipart/form-data; boundary="),
        "another boundary": form(good, kind=b"multipart/form-data; boundary=c"),
        "a boundary that no header may hold": form(good, kind=b"multipart/form-data; boundary=\xff\xfe"),
        "an endless boundary": form(good, kind=b"multipart/form-data; boundary=" + b"b" * 5000),
        "an unknown charset": form(part(b"x", b'form-data; name="a"'), kind=b"multipart/form-data; boundary=b; charset=none"),
        "no parts": form(),
        "nothing": upload(b"", b"multipart/form-data; boundary=b"),
        "no file": form(field),
        "two files": form(good, good),
        "many fields": form(*[field] * 20, good),
        "a field too long": form(part(bytes(1_200_000), b'form-data; name="a"'), good),
        "an image that is no file": form(part(GOOD, b'form-data; name="image"')),
        "an empty file": form(part(b"")),
        "no end": form(good, end=b""),
        "cut off in the file": form(good[:500], end=b""),
        "cut off in a header": form(b"--b\r\nContent-Dispo", end=b""),
        "no name": form(part(GOOD, b"form-data")),
        "no disposition": form(b"--b\r\nContent-Type: image/png\r\n\r\n" + GOOD + b"\r\n"),
        "no headers": form(b"--b\r\n\r\n" + GOOD + b"\r\n"),
        "a header without a value": form(part(GOOD, more=b"X\r\n")),
        "a header with a control character": form(part(GOOD, more=b"X\0: 1\r\n")),
        "line ends of one character": upload(good.replace(b"\r\n", b"\n") + b"--b--\n", b"multipart/form-data; boundary=b"),
        "an image instead": upload(GOOD, b"multipart/form-data; boundary=b"),
    }
    for name, request in asked.items():
        yield f"form: {name}", request, 400
    yield "form: text", form(part(b"an image")), 415
    yield "form: base64", form(part(b"iVBORw0KGgo=", more=b"Content-Transfer-Encoding: base64\r\n")), 415
    yield "form: half an image", form(part(GOOD[: len(GOOD) // 2])), 422
    yield "form: a bomb", form(part(png(50_000, 50_000))), 413
    yield "form: too large", form(part(bytes(MOST_BYTES))), 413


def lengths() -> Iterator[Bad]:
    sent = upload(GOOD)
    for length in (b"-1", b"0x10", b"1.5", b"1e3", b"", b"+5", b" ", b"1_000", b"\xb2", b"ten", b"5, 5", b"5;"):
        yield f"length {length!r}", replace(sent, length=length), 400
    for length in (b"0", b"1", b"100", b"%d" % (len(GOOD) - 1), b"%d" % (len(GOOD) + 1), b"%d" % MOST_BYTES):
        yield f"length {length!r}, another body", replace(sent, length=length), 400
    for length in (b"%d" % (MOST_BYTES + 1), b"9" * 12, b"9" * 30, b"1" + b"0" * 6000):
        yield f"length {length[:20]!r}, too large", replace(sent, length=length), 413
    yield "too large", upload(bytes(MOST_BYTES + 1)), 413
    pieces = Asked([bytes(100_000)] * 50, headers=sent.headers)
    yield "too large, in pieces, of unknown length", replace(pieces, chunked=True), 413
    yield "too large, in pieces, said to be small", replace(pieces, length=b"10"), 413
    for share in (0, 1, 1000, len(GOOD) - 1):
        yield f"the connection ends after {share} bytes", replace(sent, body=[GOOD[:share], None], length=b"%d" % len(GOOD)), 400


def routes() -> Iterator[Bad]:
    sent = upload(GOOD)
    for site in (b"cross-site", b"same-site", b"x"):
        yield f"a page of another origin, {site!r}", replace(sent, headers=[*sent.headers, (b"sec-fetch-site", site)]), 403
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "PROPFIND", "POSTS"):
        yield f"{method} /translate", replace(sent, method=method), 405
    for path in ("/", "/health", "/ready", "/openapi.json"):
        yield f"POST {path}", replace(sent, path=path), 405
    for path in (
        "/translate/",
        "/Translate",
        "/translate/AtoB",
        "/docs",
        "/redoc",
        "/../etc/passwd",
        "//translate",
        "/translate\0",
        "/\x1b[2J",
    ):
        yield f"POST {path!r}", replace(sent, path=path), 404


def bad_tokens() -> Iterator[Bad]:
    """To a server that asks for TOKEN: a good image with everything but that."""
    sent, token = upload(GOOD), TOKEN.encode()
    values = [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer  ",
        token,
        b"Bearer x",
        b"Bearer " + token[:-1],
        b"Bearer " + token + b"x",
        b"Bearer x" + token,
    ]
    values += [
        b"Bearer " + token.upper(),
        b"Bearer " + token[::-1],
        b"Basic " + token,
        b"Basic OnB3",
        b"Digest " + token,
        b"Bearer=" + token,
    ]
    values += [b"Bearer " + token + b", Bearer x", b"Bearer \xff\xfe" + token, b"Bearer " + token * 1000, b"Bearer null", b"Token " + token]
    values += [b"Bearer " + b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
    for number, value in zip(count(), values):
        yield f"token {number}: {value[:40]!r}", replace(sent, headers=[*sent.headers, (b"authorization", value)]), 401
    yield "no token", sent, 401
    yield "the token in the query", replace(sent, query=b"direction=AtoB&token=" + token), 401
    yield "the token in a cookie", replace(sent, headers=[*sent.headers, (b"cookie", b"token=" + token)]), 401
    yield "the token in another header", replace(sent, headers=[*sent.headers, (b"x-token", token)]), 401
    yield "no token and no direction", replace(sent, query=b""), 401
    yield "no token and no image", upload(b""), 401
    yield "no token and a huge image", replace(sent, length=b"9" * 12), 401
