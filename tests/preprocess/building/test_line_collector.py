"""Warnings of build actors, which run in other processes and on other nodes, appear in the driver's log."""

import io
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import ray
from PIL import Image

from preprocess.building.line_collector import LineRelay
from preprocess.building.shard_folder import build
from preprocess.config import DataConfig
from preprocess.sources.layouts import Source
from ringcycle.storage.location import child
from ringcycle.storage.store import parent_and_name
from tests.preprocess.object_store import ObjectStore, object_store

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("local_ray")]

LONGEST_FAILURE = 90.0  # seconds


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    """Two images of each domain in a bucket."""
    with object_store() as server:
        for seed, name in enumerate(("trainA/0.png", "trainA/1.png", "trainB/0.png", "trainB/1.png")):
            file = io.BytesIO()
            Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)).save(file, "PNG")
            folder, last = parent_and_name(child(server.uri("images"), name))
            folder.write(last, file.getvalue())
        yield server


def test_retries_in_a_build_actor_are_reported_while_they_last(
    store: ObjectStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reads: list[float] = []

    def fails(number: int) -> bool:
        if not store.flaky.requests[-1].startswith("GET /bucket/images/trainA/1.png"):
            return False
        reads.append(time.monotonic())
        # The driver reads the header of each file first, then an actor reads it all.
        return len(reads) > 1 and not caplog.messages and reads[-1] - reads[1] < LONGEST_FAILURE

    store.flaky.fails = fails
    config = DataConfig(source=store.uri("images"), load_size=32, crop_size=32, build_actors=1)
    manifest = build(Source(store.uri("images")), tmp_path / "shards", config)
    assert manifest.splits["trainA"].count == 2
    (line,) = caplog.records
    assert (line.name, line.levelno) == ("preprocess.building.line_collector", logging.WARNING)
    assert line.getMessage().startswith("s3://***@bucket/images/trainA/1.png has been failing for ")


def test_lines_are_logged_once_and_the_last_ones_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    relay = LineRelay()
    ray.get(relay.collector.add_line.remote("first, 100 %s"))
    deadline = time.monotonic() + 20
    while not caplog.messages and time.monotonic() < deadline:
        time.sleep(0.1)
        relay.poll()
    assert caplog.messages == ["first, 100 %s"]
    ray.get(relay.collector.add_line.remote("last"))
    relay.close()
    assert caplog.messages == ["first, 100 %s", "last"]


def test_a_collector_that_died_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    relay = LineRelay()
    ray.kill(relay.collector)
    time.sleep(1.1)
    relay.poll()
    relay.close()
    assert not caplog.messages
