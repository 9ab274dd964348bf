"""The HTTP interface: the endpoint, what it answers, and how errors read. Knows no Ray."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Protocol

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from cluster.serving.access import admits
from cluster.serving.page import Page
from cluster.serving.refusal import Refused, quoted
from cluster.serving.security_headers import SecurityHeaders
from cluster.serving.service import Translation
from cluster.serving.settings import ServiceSettings
from cluster.serving.upload import FORM, read_upload

log = logging.getLogger(__name__)

MOST_IN_FLIGHT = 32  # translations that are read, wait or run at a time; each holds its file
TITLE = "ringcycle"
ABOUT = "Translates images between two domains by the generators of a CycleGAN."


class Service(Protocol):
    """What translates; see `TranslationService`."""

    async def translate(self, content: bytes, direction: str) -> Translation:
        """Raises Refused."""
        ...


class ErrorBody(BaseModel):
    """Every answer that is no success."""

    error: str = Field(description="one sentence")


class Health(BaseModel):
    """The process answers."""

    status: str = "ok"


class Ready(BaseModel):
    """What this server translates, and its limits."""

    status: str = "ready"
    step: int = Field(description="of the checkpoint")
    scale: str = Field(description="the size at which images are translated")
    directions: list[str] = Field(description="those that have a generator")
    token: bool = Field(description="whether requests to translate must carry a token")
    max_bytes: int = Field(description="of an image file")
    max_megapixels: float = Field(description="of an image, and of its result")


def make_app(service: Service, settings: ServiceSettings, page: Page) -> FastAPI:
    """The ASGI application that answers for one replica."""
    app = FastAPI(title=TITLE, description=ABOUT, version="1", docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_middleware(SecurityHeaders, page_policy=page.policy)
    _add_error_handlers(app)
    ready = Ready(
        step=settings.trained.step,
        scale=settings.scale.describe(settings.trained.preparation),
        directions=settings.directions,
        token=bool(settings.token),
        max_bytes=settings.bytes,
        max_megapixels=settings.megapixels,
    )
    bearer = HTTPBearer(auto_error=False, description="The token that the server was started with, if it was.")
    in_flight = 0

    async def authorize(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> None:
        # Any page that a browser on this machine shows could send forms here; browsers say so.
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Refused(403, "Pages of other sites may not translate here.")
        if settings.token and given is None:
            raise Refused(401, "This server asks for a token: send it in the header Authorization, as Bearer TOKEN.")
        if not admits(settings.token, given.credentials if given else ""):
            raise Refused(401, "The token is not this server's.")

    def check_room() -> None:
        if in_flight >= MOST_IN_FLIGHT:
            raise Refused(503, f"{in_flight} images are being translated already: try again in a few seconds.")

    @app.get("/", include_in_schema=False)
    async def show_page() -> HTMLResponse:
        return HTMLResponse(page.text)

    @app.get("/health", summary="Whether the process answers")
    async def health() -> Health:
        return Health()

    @app.get("/ready", summary="Whether images are translated now, and how", responses=_errors(503))
    async def readiness() -> Ready:
        check_room()
        return ready

    @app.post(
        "/translate",
        summary="Translate an image",
        response_class=Response,
        responses={200: _RESULT, **_errors(400, 401, 403, 408, 413, 415, 422, 503)},
        openapi_extra={"requestBody": _BODY},
        dependencies=[Depends(authorize)],
    )
    async def translate(request: Request, direction: Annotated[str, Query(description=_WAYS, examples=["AtoB"])]) -> Response:
        nonlocal in_flight
        if direction not in settings.directions:
            raise Refused(422, f"direction = {quoted(direction)} has no generator here: give {' or '.join(settings.directions)}.")
        check_room()
        in_flight += 1
        try:
            made = await service.translate(await read_upload(request, settings.bytes), direction)
        finally:
            in_flight -= 1
        name = {"Content-Disposition": f'inline; filename="translated{made.suffix}"'}
        return Response(made.content, media_type=made.media_type, headers=name)

    return app


_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_RESULT = {"description": "The translated image.", "content": {"image/png": _BINARY, "image/tiff": _BINARY}}
_WAYS = "from which domain to which: AtoB or BtoA"
_FORM = {"schema": {"type": "object", "required": ["image"], "properties": {"image": _BINARY["schema"]}}}
_BODY = {
    "required": True,
    "description": "The image file, as it is or as the one file of a form. What it is, its content says.",
    "content": {"image/*": _BINARY, "application/octet-stream": _BINARY, FORM: _FORM},
}


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorBody} for status in statuses}


def _add_error_handlers(app: FastAPI) -> None:
    """Every error becomes an `ErrorBody`, those of FastAPI and Starlette too."""

    async def refused(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refused)
        return _answer(error.status, error.sentence)

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        return _answer(422, f"{first['loc'][-1]}: {first['msg'][0].lower()}{first['msg'][1:]}.")

    async def unknown(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        path = quoted(request.url.path)
        sentences = {404: f"There is nothing at {path}.", 405: f"{path} does not take {quoted(request.method)}."}
        return _answer(error.status_code, sentences.get(error.status_code, f"{error.detail}."), error.headers)

    async def failed(request: Request, error: Exception) -> JSONResponse:
        log.error(f"{request.url.path} failed", exc_info=error)
        return _answer(500, "The server failed at this; its log says how.")

    handlers: Mapping[type[Exception], Callable[[Request, Exception], Awaitable[JSONResponse]]] = {
        Refused: refused,
        RequestValidationError: invalid,
        HTTPException: unknown,
        Exception: failed,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 413: {"Connection": "close"}, 503: {"Retry-After": "2"}}


def _answer(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(ErrorBody(error=sentence).model_dump(), status, {**_HEADERS.get(status, {}), **(headers or {})})
