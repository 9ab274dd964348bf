"""The image file that a request carries, read within limits: as the body itself, or as the only file of a form."""

import asyncio
from collections.abc import AsyncGenerator

from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from cluster.serving.refusal import Refused, quoted

FORM = "multipart/form-data"
PLAIN = ("", "application/octet-stream", "application/x-www-form-urlencoded")  # the last is what `curl --data-binary` says
PATIENCE = 60.0  # seconds for a body to arrive
FIELDS = 8  # of a form, besides the file
HOW = "send the image file as the body, or as the one file of a form"


async def read_upload(request: Request, most: int) -> bytes:
    """The bytes of the image file, at most `most`. Nothing is decoded, and of a larger body no more is read.

    The Content-Type says only how the file is packed: what it is, its content says. Raises Refused.
    """
    kind = _packing(request)
    body = await _read_body(request, most)
    if kind == FORM:
        body = await _file_of_form(request, body)
    if not body:
        raise Refused(400, f"The request holds no image: {HOW}.")
    return body


def _packing(request: Request) -> str:
    """The media type of the body, one that this server unpacks."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise Refused(415, f"Content-Encoding = {quoted(encoding)} is not unpacked here: send the file as it is.")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == FORM or kind in PLAIN or kind.startswith("image/"):
        return kind
    raise Refused(415, f"Content-Type = {quoted(kind)} is no image: {HOW}.")


async def _read_body(request: Request, most: int) -> bytes:
    declared = _declared_length(request, most)
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise _too_large(most)
    except TimeoutError as error:
        raise Refused(408, f"The image did not arrive within {PATIENCE:g} seconds.") from error
    except ClientDisconnect as error:
        raise Refused(400, f"The connection ended after {len(body):,} bytes.") from error
    if declared is not None and declared != len(body):
        raise Refused(400, f"Content-Length = {declared:,}, but {len(body):,} bytes arrived.")
    return bytes(body)


def _declared_length(request: Request, most: int) -> int | None:
    declared = request.headers.get("content-length")
    if declared is None:
        return None
    if not (declared.isascii() and declared.isdecimal()):
        raise Refused(400, f"Content-Length = {quoted(declared)} is no number of bytes.")
    if len(declared) > 18 or int(declared) > most:
        raise _too_large(most)
    return int(declared)


def _too_large(most: int) -> Refused:
    return Refused(413, f"The upload has more than {most / 1e6:g} MB, the limit here.")


async def _file_of_form(request: Request, body: bytes) -> bytes:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await MultiPartParser(request.headers, stream(), max_files=1, max_fields=FIELDS).parse()
    except (MultiPartException, FormParserError, LookupError, ValueError) as error:
        fact = getattr(error, "message", "") or str(error)
        raise Refused(400, f"The form cannot be read ({quoted(fact).rstrip('.')}): {HOW}.") from error
    try:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if len(files) != 1:
            raise Refused(400, f"The form holds no file, or was cut off: {HOW}.")
        return await files[0].read()
    finally:
        await form.close()
