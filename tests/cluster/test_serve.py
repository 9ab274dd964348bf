"""`python -m cluster.serve`: mistakes without Ray, and the real server on loopback."""

import http.client
import io
import json
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import ray
from PIL import Image

from cluster import serve
from cyclegan.config import ModelSpec
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.shapes import generator_shapes
from tests.cluster.launch import Launch
from tests.cluster.serving.image_files import encoded
from tests.cyclegan.made_checkpoint import write_checkpoint
from tests.ray_nodes import clean_environment, free_ports

MODEL = ModelSpec(filters=4, blocks=1, convolution="plain")
TOKEN = "correct-horse-battery-staple"
FIELDS = {"data": {"preprocess": "resize_and_crop", "load_size": 24, "crop_size": 16}}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "run", model=MODEL, flat=FlatParameters(generator_shapes(MODEL)).initial(3) * 4, fields=FIELDS)
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--which", "last"], "--which = last: give newest or best"),
        (["--which", "best"], "--which = best: no checkpoint of "),
        (["--scale", "5"], "--scale = 5: give trained, native, or the pixels of the shorter side"),
        (["--host", "all"], "--host = all is no IP address"),
        (["--host", "0.0.0.0"], "--host = 0.0.0.0 is open to other machines, and there is no token"),
        (["--host", "192.0.2.1", "--token", TOKEN], "--port = 8000 on 192.0.2.1 cannot be listened on"),
        (["--port", "99999"], "--port = 99999: give a number from 1 to 65535"),
        (["--token", "secret"], "--token has 6 characters: give 16 or more"),
        (["--replicas", "0"], "--replicas = 0: give a whole number from 1 to 1,024"),
        (["--cpus", "two"], "--cpus = two: give a whole number from 0 to 1,024"),
        (["--max-megabytes", "0"], "--max-megabytes = 0: give a whole number from 1 to 1,024"),
        (["--max-megapixels", "1e9"], "--max-megapixels = 1e9: give a whole number from 1 to 1,024"),
    ],
)
def test_a_mistake_costs_one_line_and_no_ray(run: Path, options: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    (port,) = free_ports(1)
    given = options if "--port" in options or "192.0.2.1" in options else [*options, "--port", str(port)]
    assert serve.main(["--checkpoint", str(run), *given]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"error: {line}") and printed.err.count("\n") == 1 and not printed.out
    assert not ray.is_initialized()


def test_a_checkpoint_that_is_none_and_a_port_in_use(tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert serve.main(["--checkpoint", str(run), "--port", str(port)]) == 2
    assert f"error: --port = {port} on 127.0.0.1 cannot be listened on (Address already in use)" in capsys.readouterr().err
    assert serve.main(["--checkpoint", str(tmp_path / "none"), "--port", str(port)]) == 2
    assert capsys.readouterr().err.endswith("none does not exist: give the folder of a run, or of one of its checkpoints\n")


def test_without_the_extra_one_line_says_what_to_install(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serve, "EXTRA", {"fastapi": "fastapi", "no-such-package": "no_such_module"})
    assert serve.main(["--checkpoint", str(run)]) == 2
    expected = "error: python -m cluster.serve needs no-such-package, of the extra `serve`: pip install '.[serve]'\n"
    assert capsys.readouterr().err == expected


@pytest.mark.process
def test_a_server_translates_refuses_and_ends(run: Path, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    environment = {**clean_environment(), "RAY_ADDRESS": "local", "XDG_CACHE_HOME": str(tmp_path / "cache"), "RINGCYCLE_SERVE_TOKEN": TOKEN}
    with Launch(["--checkpoint", str(run), "--port", str(port), "--cpus", "1"], environment, command="cluster.serve") as launch:
        launch.wait_for(rf"ready, Ctrl-C ends it: http://127\.0\.0\.1:{port}/$")

        def ask(method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request(method, path, body, {"Authorization": f"Bearer {TOKEN}", **headers})
            response = connection.getresponse()
            return response.status, response.read()

        assert ask("GET", "/health") == (200, b'{"status":"ok"}')
        ready = json.loads(ask("GET", "/ready")[1])
        assert (ready["step"], ready["directions"], ready["token"]) == (10, ["AtoB", "BtoA"], True)
        status, made = ask("POST", "/translate?direction=BtoA", encoded("JPEG", 40, 60))
        assert status == 200 and np.asarray(Image.open(io.BytesIO(made))).shape == (24, 36, 3)
        assert b"<h1>Translate an image</h1>" in ask("GET", "/")[1]

        status, body = ask("POST", "/translate?direction=AtoB", b"no image")
        assert (status, body) == (415, b'{"error":"The file cannot be read as an image: unknown image format."}')
        assert ask("POST", "/translate?direction=AtoB", encoded(), Authorization="Bearer wrong")[0] == 401
        # Twice the limit, of unknown length: refused while it is still on its way.
        sent = b"%X\r\n" % 2**20 + bytes(2**20) + b"\r\n"
        head = f"POST /translate?direction=AtoB HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert raw(port, head.encode() + sent * 64 + b"0\r\n\r\n").startswith(b"HTTP/1.1 413")
        # The length says less than is sent: half an image, or what follows it is no request, whichever is seen first.
        head = f"POST /translate?direction=AtoB HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 100\r\n\r\n"
        assert raw(port, head.encode() + encoded())[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 422")
        assert raw(port, head.replace("100", "-5").encode()).startswith(b"HTTP/1.1 400")
        assert ask("POST", "/translate?direction=AtoB", encoded())[0] == 200

        began = time.monotonic()
        launch.process.send_signal(signal.SIGTERM)
        output = launch.end(0)
    assert time.monotonic() - began < 60
    first, second, _, last = output.splitlines()
    assert first.startswith("AtoB and BtoA by step 10 of ") and first.endswith(", at the trained scale, 24x24")
    assert (second, last) == ("starting 1 replica with 1 CPU", "ended")
    assert TOKEN not in output
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


def raw(port: int, content: bytes) -> bytes:
    """The beginning of the answer to bytes as they are."""
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all of it was sent
            connection.sendall(content)
        answer = b""
        while len(answer) < 12 and (more := connection.recv(4096)):
            answer += more
        return answer
