"""The HTTP interface with real generators: what it answers, and at what it does not."""

import asyncio
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image

import cyclegan
from cluster.serving import upload as upload_module
from cluster.serving.access import digest
from cluster.serving.app import MOST_IN_FLIGHT, make_app
from cluster.serving.page import read_page
from cluster.serving.service import Translation, TranslationService
from cluster.serving.settings import ServiceSettings
from cyclegan.config import ModelSpec
from cyclegan.inference.generator_checkpoint import read_generators
from cyclegan.inference.scale import Scale
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.shapes import generator_shapes
from ringcycle.storage.location import as_location
from tests.cluster.serving.asking import Answer, Asked, ask
from tests.cluster.serving.bad_uploads import (
    GOOD,
    MEGAPIXELS,
    MOST_BYTES,
    TOKEN,
    Bad,
    bad_tokens,
    bad_uploads,
    form,
    part,
    upload,
)
from tests.cluster.serving.image_files import FORMATS, encoded, pixels, tiff
from tests.cyclegan.made_checkpoint import write_checkpoint

MODEL = ModelSpec(filters=4, blocks=1, convolution="plain")
SIDE = 24
BAD = [*bad_uploads()]


class Server:
    """An application, and the loop it runs in."""

    def __init__(self, runner: asyncio.Runner, app: FastAPI) -> None:
        self.runner, self.app = runner, app

    def ask(self, asked: Asked) -> Answer:
        return self.runner.run(ask(self.app, asked))

    def all(self, asked: list[Asked]) -> list[Answer]:
        """Answers to requests at once."""

        async def gathered() -> list[Answer]:
            return await asyncio.gather(*(ask(self.app, one) for one in asked))

        return self.runner.run(gathered())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    flat = FlatParameters(generator_shapes(MODEL)).initial(3) * 4
    fields = {"data": {"preprocess": "resize_and_crop", "load_size": SIDE, "crop_size": 16}}
    write_checkpoint(folder, model=MODEL, flat=flat, fields=fields)
    return folder


@pytest.fixture(scope="module")
def settings(run: Path) -> ServiceSettings:
    return ServiceSettings(read_generators(as_location(str(run))), Scale(), MOST_BYTES, MEGAPIXELS)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def service(settings: ServiceSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TranslationService]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("TF_XLA_FLAGS", "")
        yield TranslationService(settings)


@pytest.fixture(scope="module")
def server(runner: asyncio.Runner, service: TranslationService, settings: ServiceSettings) -> Server:
    return Server(runner, make_app(service, settings, read_page()))


@pytest.fixture(scope="module")
def guarded(runner: asyncio.Runner, service: TranslationService, settings: ServiceSettings) -> Server:
    """One that asks for TOKEN."""
    asks = ServiceSettings(settings.trained, settings.scale, settings.bytes, settings.megapixels, digest(TOKEN))
    return Server(runner, make_app(service, asks, read_page()))


def image_in(answer: Answer) -> np.ndarray:
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(answer.body)))


def assert_refused(answer: Answer, status: int) -> None:
    """One sentence, for the client alone."""
    assert answer.status == status, answer.body[:300]
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert list(body) == ["error"]
    sentence = body["error"]
    assert sentence.endswith(".") and sentence.isprintable() and 10 < len(sentence) < 400, sentence
    assert "Traceback" not in sentence and "Error" not in sentence, sentence


def test_there_are_hundreds_of_bad_uploads_and_none_twice() -> None:
    names = [name for name, _, _ in [*BAD, *bad_tokens()]]
    assert len(names) > 250
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("bad", [pytest.param(bad, id=bad[0]) for bad in BAD])
def test_a_bad_upload_is_refused_with_one_sentence(server: Server, bad: Bad) -> None:
    _, asked, status = bad
    answer = server.ask(asked)
    if asked.method == "HEAD":
        assert answer.status == status
    else:
        assert_refused(answer, status)


@pytest.mark.parametrize("bad", [pytest.param(bad, id=bad[0]) for bad in bad_tokens()])
def test_without_the_token_nothing_is_read(guarded: Server, bad: Bad) -> None:
    _, asked, status = bad
    answer = guarded.ask(asked)
    assert_refused(answer, status)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in answer.body.decode()


def test_with_the_token_an_image_is_translated(guarded: Server) -> None:
    asked = upload(GOOD)
    for scheme in (b"Bearer ", b"bearer "):
        answer = guarded.ask(Asked(asked.body, headers=[*asked.headers, (b"authorization", scheme + TOKEN.encode())]))
        assert image_in(answer).shape == (round(40 * 24 / 40), round(52 * 24 / 40), 3)
    assert guarded.ask(Asked(path="/ready", method="GET")).json()["token"] is True
    assert guarded.ask(Asked(path="/", method="GET")).status == 200


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_a_result_is_what_cyclegan_load_makes(server: Server, run: Path, direction: str) -> None:
    expected = cyclegan.load(run, direction).translate(Image.open(io.BytesIO(GOOD)))  # type: ignore[arg-type]
    asked = Asked([GOOD], query=f"direction={direction}".encode())
    made = image_in(server.ask(asked))
    assert made.shape == np.asarray(expected).shape
    assert np.abs(made.astype(int) - np.asarray(expected)).max() <= 1
    assert made.std() > 10


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_taken_however_it_is_packed(server: Server, kind: str) -> None:
    content = encoded(kind)
    as_body, as_form = server.all([upload(content, b""), form(part(content, b'form-data; name="x"; filename="y"'))])
    np.testing.assert_array_equal(image_in(as_body), image_in(as_form))
    assert image_in(as_body).std() > 10


@pytest.mark.parametrize(
    "kind", [b"", b"image/png", b"image/jpeg", b"IMAGE/PNG; x=y", b"application/octet-stream", b"application/x-www-form-urlencoded"]
)
def test_the_content_type_does_not_decide_what_a_file_is(server: Server, kind: bytes) -> None:
    assert image_in(server.ask(upload(GOOD, kind))).size


def test_images_at_once_are_each_their_own(server: Server) -> None:
    """More than a batch, of both directions and several sizes, among them 16 bits, which no program takes."""
    contents = [encoded("PNG", 30 + i, 40) for i in range(10)] + [tiff(pixels(20, 20)[..., 0].astype(np.uint16) * 200)]
    asked = [Asked([content], query=b"direction=" + way) for content in contents for way in (b"AtoB", b"BtoA")]
    together = server.all(asked)
    for one, other in zip(together, [server.ask(one) for one in asked], strict=True):
        assert np.abs(image_in(one).astype(int) - image_in(other)).max() <= (257 if image_in(one).dtype == np.uint16 else 1)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (40, 1), (3, 5)])
def test_the_smallest_images(server: Server, height: int, width: int) -> None:
    made = image_in(server.ask(upload(encoded("PNG", height, width))))
    assert made.shape[0] * width == pytest.approx(made.shape[1] * height, rel=0.1)


def test_health_and_readiness(server: Server) -> None:
    assert server.ask(Asked(path="/health", method="GET")).json() == {"status": "ok"}
    assert server.ask(Asked(path="/ready", method="GET")).json() == {
        "status": "ready",
        "step": 10,
        "scale": f"at the trained scale, {SIDE}x{SIDE}",
        "directions": ["AtoB", "BtoA"],
        "token": False,
        "max_bytes": MOST_BYTES,
        "max_megapixels": MEGAPIXELS,
    }


def test_more_than_fit_are_refused_at_once_and_the_next_is_taken(server: Server) -> None:
    answers = server.all([upload(GOOD)] * (MOST_IN_FLIGHT + 5) + [Asked(path="/ready", method="GET"), Asked(path="/health", method="GET")])
    *translated, ready, health = answers
    assert [answer.status for answer in translated] == [200] * MOST_IN_FLIGHT + [503] * 5
    assert_refused(translated[-1], 503)
    assert_refused(ready, 503)
    assert translated[-1].headers["retry-after"] == "2"
    assert health.status == 200
    assert image_in(server.ask(upload(GOOD))).size


def test_a_body_that_does_not_come_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_module, "PATIENCE", 0.05)
    answer = Answer()

    async def stalled() -> None:
        begun = False

        async def receive() -> dict[str, object]:
            nonlocal begun
            if begun:
                await asyncio.sleep(30)
            begun = True
            return {"type": "http.request", "body": b"\x89PNG", "more_body": True}

        async def send(message: dict[str, object]) -> None:
            answer.status = int(str(message.get("status", answer.status)))
            answer.body += bytes(message.get("body", b""))  # type: ignore[call-overload]
            answer.headers["content-type"] = "application/json"

        scope = {"type": "http", "method": "POST", "path": "/translate", "query_string": b"direction=AtoB", "headers": []}
        await server.app(scope, receive, send)  # type: ignore[arg-type]

    server.runner.run(stalled())
    assert_refused(answer, 408)


def test_a_failure_inside_is_one_sentence_without_its_words(settings: ServiceSettings, runner: asyncio.Runner) -> None:
    class Failing:
        async def translate(self, content: bytes, direction: str) -> Translation:
            raise RuntimeError("a secret path")

    app = make_app(Failing(), settings, read_page())
    for _ in range(MOST_IN_FLIGHT + 1):  # none of them holds its place
        answer = runner.run(ask(app, upload(GOOD), beside=RuntimeError))
        assert_refused(answer, 500)
        assert b"secret" not in answer.body


def test_the_page_may_run_nothing_but_itself(server: Server) -> None:
    answer = server.ask(Asked(path="/", method="GET"))
    text, policy = answer.body.decode(), answer.headers["content-security-policy"]
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert len(re.findall(r"'sha256-", policy)) == 2
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|@import|url\(|\sstyle=|\son[a-z]+=""", text)
    everything = server.ask(Asked(path="/openapi.json", method="GET"))
    assert everything.headers["content-security-policy"].startswith("default-src 'none'")
    assert everything.headers["x-content-type-options"] == "nosniff"


def test_the_interface_is_described(server: Server) -> None:
    described = json.loads(server.ask(Asked(path="/openapi.json", method="GET")).body)
    assert set(described["paths"]) == {"/translate", "/health", "/ready"}
    translate = described["paths"]["/translate"]["post"]
    assert set(translate["requestBody"]["content"]) == {"image/*", "application/octet-stream", "multipart/form-data"}
    assert {"200", "400", "401", "403", "408", "413", "415", "422", "503"} == set(translate["responses"])
    assert translate["responses"]["422"]["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorBody")
