"""A real S3 server on loopback that can be made to fail."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from moto.backends import get_backend
from moto.server import DomainDispatcherApplication, create_backend_app
from pyarrow import fs
from werkzeug.serving import make_server

Respond = Callable[..., Any]


@dataclass
class Flaky:
    """Forwards requests to an application, but answers with 503 those whose number, from 1, `fails` selects."""

    application: Callable[[dict[str, Any], Respond], Iterable[bytes]]
    fails: Callable[[int], bool] = lambda number: False
    requests: list[str] = field(default_factory=list)
    failed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environment: dict[str, Any], respond: Respond) -> Iterable[bytes]:
        with self.lock:
            self.requests.append(f"{environment['REQUEST_METHOD']} {environment['PATH_INFO']} {environment.get('HTTP_RANGE', '')}".strip())
            fails = self.fails(len(self.requests))
            self.failed += fails
        if fails:
            environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
            respond("503 Service Unavailable", [("Content-Type", "application/xml")])
            return [b"<Error><Code>ServiceUnavailable</Code><Message>failing on purpose</Message></Error>"]
        return self.application(environment, respond)


@dataclass(frozen=True)
class ObjectStore:
    """A running server."""

    port: int
    flaky: Flaky

    def uri(self, prefix: str, keys: str = "KEY:SECRET") -> str:
        return f"s3://{keys}@bucket/{prefix}?endpoint_override=127.0.0.1:{self.port}&scheme=http&region=us-east-1"


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """A server with an empty bucket named `bucket`."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # otherwise one line per request
    for accounts in get_backend("s3").values():  # moto keeps stored objects in the process, not in the server
        for backend in accounts.values():
            backend.reset()
    flaky = Flaky(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, flaky, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        endpoint = f"127.0.0.1:{server.server_port}"
        root = fs.S3FileSystem(access_key="KEY", secret_key="SECRET", endpoint_override=endpoint, scheme="http", allow_bucket_creation=True)
        root.create_dir("bucket")
        yield ObjectStore(server.server_port, flaky)
    finally:
        server.shutdown()
        thread.join()
