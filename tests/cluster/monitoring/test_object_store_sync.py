"""Files that grow, in a bucket that fails."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.monitoring import object_store_sync
from cluster.monitoring.object_store_sync import ObjectStoreSync
from ringcycle.storage import store as storage
from ringcycle.storage.store import Store
from tests.preprocess.object_store import ObjectStore, object_store

SECONDS = 30.0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    monkeypatch.setattr(object_store_sync, "SECONDS", 0.05)
    monkeypatch.setattr(storage, "with_retries", lambda act, *_: act())
    with object_store() as running:
        yield running


def until(what: object) -> None:
    deadline = time.monotonic() + SECONDS
    while not what():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_grows_is_sent_and_fetched_again(server: ObjectStore) -> None:
    store = Store(server.uri("run"))
    one = ObjectStoreSync(store.location)
    one.fetch("metrics.jsonl")
    (one.folder / "events").mkdir()
    (one.folder / "events/a").write_text("1")
    with open(one.folder / "metrics.jsonl", "a") as file:
        file.write("first\n")
        file.flush()
        until(lambda: store.size("metrics.jsonl") == 6)
        file.write("second\n")
    one.send()
    assert store.read("metrics.jsonl") == b"first\nsecond\n"
    requests = len(server.flaky.requests)
    one.send()
    assert len(server.flaky.requests) == requests, "nothing has changed"
    (one.folder / "events/b").write_text("2")
    one.close(SECONDS)
    assert store.folders() == {"events": {"a", "b"}}
    assert not one.folder.exists()
    another = ObjectStoreSync(store.location)
    another.fetch("metrics.jsonl")
    assert Path(another.folder / "metrics.jsonl").read_text() == "first\nsecond\n"
    another.close(SECONDS)


def test_a_failing_store_is_reported_once_and_gets_everything_later(server: ObjectStore, caplog: pytest.LogCaptureFixture) -> None:
    logs = ObjectStoreSync(server.uri("run"))
    server.flaky.fails = lambda number: True
    (logs.folder / "metrics.jsonl").write_text("first\n")
    until(lambda: caplog.messages)
    with pytest.raises(OSError):
        logs.send()
    failed = server.flaky.failed
    until(lambda: server.flaky.failed > failed + 3)
    warnings = [record.getMessage() for record in caplog.records if record.name == object_store_sync.__name__]
    assert len(warnings) == 1
    assert warnings[0].startswith("s3://***@bucket/run: cannot upload metrics and samples (")
    assert warnings[0].endswith("); training continues")
    server.flaky.fails = lambda number: False
    logs.close(SECONDS)
    assert Store(server.uri("run")).read("metrics.jsonl") == b"first\n"
