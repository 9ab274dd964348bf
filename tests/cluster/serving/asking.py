"""Requests to an ASGI application as a server would pass them on, whatever their headers claim."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message


@dataclass(frozen=True)
class Asked:
    """A request. body: its chunks; None among them: the connection ends there. length: Content-Length; None: that of the body."""

    body: Sequence[bytes | None] = ()
    query: bytes = b"direction=AtoB"
    headers: Sequence[tuple[bytes, bytes]] = ()
    path: str = "/translate"
    method: str = "POST"
    length: bytes | None = None
    chunked: bool = False


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)


async def ask(app: ASGIApp, asked: Asked, beside: type[Exception] | tuple[()] = ()) -> Answer:
    """Send a request, and return the complete answer. beside: what the application may raise after it has answered, for a server's log."""
    length = asked.length if asked.length is not None else str(sum(len(chunk or b"") for chunk in asked.body)).encode()
    headers = [*asked.headers, *([] if asked.chunked else [(b"content-length", length)])]
    answer = Answer()
    messages: list[Message] = []
    for number, chunk in enumerate(asked.body or [b""], 1):
        if chunk is None:
            messages.append({"type": "http.disconnect"})
            break
        messages.append({"type": "http.request", "body": chunk, "more_body": number < len(asked.body)})
    left = iter(messages)

    async def receive() -> Message:
        return next(left, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": "http",
        "path": asked.path,
        "raw_path": asked.path.encode(),
        "query_string": asked.query,
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    with suppress(beside):
        await app(scope, receive, send)
    return answer
