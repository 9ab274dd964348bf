"""Headers by which a browser confines what it gets from here."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOTHING = "default-src 'none'; frame-ancestors 'none'"
_FOR_ALL = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class SecurityHeaders:
    """Middleware that adds them to every answer. page_policy: the Content-Security-Policy of the page; other answers may load nothing."""

    def __init__(self, app: ASGIApp, page_policy: str) -> None:
        self._app, self._page_policy = app, page_policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_FOR_ALL)
                html = headers.get("content-type", "").startswith("text/html")
                headers["Content-Security-Policy"] = self._page_policy if html else NOTHING
            await send(message)

        await self._app(scope, receive, send_with_headers)
