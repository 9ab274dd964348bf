"""What reaches a tracker, and what becomes of that which it refuses."""

import io
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from PIL import Image

from cluster.tracking import sender
from cluster.tracking.sender import Sender
from cluster.tracking.tracker import Scalars, reason
from tests.cluster.tracking.made_run import write_run


class KeepingTracker:
    """Keeps what it is given, in memory. fails: raise an error at any call. lost: it no longer knows its run."""

    def __init__(self) -> None:
        self.fails = self.lost = False
        self.opened: list[str] = []
        self.values: list[tuple[int, str, float]] = []
        self.images: list[tuple[int, str, int]] = []
        self.fields: dict[str, str] = {}
        self.outcome = ""

    def open(self, run_id: str, name: str) -> str:
        self._check()
        self.opened.append(run_id)
        return run_id if run_id and not self.lost else f"{name}-{len(self.opened)}"

    def config(self, values: Mapping[str, str], toml: str) -> None:
        self._check()
        self.fields = dict(values)

    def scalars(self, records: Sequence[Scalars]) -> None:
        self._check()
        self.values += [(record.step, name, value) for record in records for name, value in record.values.items()]

    def image(self, step: int, tag: str, png: bytes) -> None:
        self._check()
        self.images.append((step, tag, Image.open(io.BytesIO(png)).getpixel((0, 0))[0]))

    def close(self, outcome: str) -> None:
        self._check()
        self.outcome = outcome

    def _check(self) -> None:
        if self.fails:
            raise ConnectionError("refused http://user:KEY@host:5000")


def launch(folder: Path, tracker: KeepingTracker, outcome: str = "finished") -> None:
    """All that a launch sends which ends as soon as it has begun."""
    closing = threading.Event()
    closing.set()
    Sender("mlflow", str(folder), "mine", lambda kind, place: tracker).run(closing, lambda: outcome)


def test_everything_is_sent_once_and_a_later_launch_continues(tmp_path: Path) -> None:
    tracker = KeepingTracker()
    write_run(tmp_path, range(1, 13))
    launch(tmp_path, tracker, "stopped")
    assert tracker.outcome == "stopped"
    assert [value for step, name, value in tracker.values if name == "G_AB"] == [*range(1, 13)]
    assert (10, "held out/sliced_wasserstein", 1.0) in tracker.values
    assert tracker.images == [(10, "samples", 10), (10, "held out", 10)]
    assert tracker.fields["train.batch"] == "1" and tracker.fields["data.jitter"].startswith("[")
    write_run(tmp_path, range(13, 21))
    launch(tmp_path, tracker)
    assert tracker.opened == ["", "mine-1"]
    assert [value for step, name, value in tracker.values if name == "G_AB"] == [*range(1, 21)]
    assert tracker.images[2:] == [(20, "samples", 20), (20, "held out", 20)]


def test_a_tracker_without_the_run_gets_it_anew(tmp_path: Path) -> None:
    tracker = KeepingTracker()
    write_run(tmp_path, range(1, 4))
    launch(tmp_path, tracker)
    tracker.lost = True
    launch(tmp_path, tracker)
    tracker.lost = False
    launch(tmp_path, tracker)
    assert tracker.opened == ["", "mine-1", "mine-2"]
    assert [value for _, name, value in tracker.values if name == "G_AB"] == [1, 2, 3] * 2


def test_what_a_tracker_refuses_is_sent_once_it_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "RETRY_SECONDS", (0.01, 0.01))
    tracker, closing = KeepingTracker(), threading.Event()
    tracker.fails = True
    write_run(tmp_path, range(1, 11))
    thread = threading.Thread(target=Sender("wandb", str(tmp_path), "mine", lambda *_: tracker).run, args=[closing, lambda: "finished"])
    thread.start()
    closing.wait(0.3)  # many attempts
    tracker.fails = False
    closing.wait(0.1)
    tracker.fails = True
    closing.wait(0.1)
    tracker.fails = False
    closing.set()
    thread.join(10)
    assert [value for step, name, value in tracker.values if name == "G_AB"] == [*range(1, 11)]
    assert tracker.outcome == "finished"
    (line,) = caplog.messages
    assert line.startswith("wandb fails (ConnectionError: refused http://***@host:5000): training continues")


def test_what_is_left_at_the_end_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tracker = KeepingTracker()
    write_run(tmp_path, range(1, 11))
    launch(tmp_path, tracker)
    write_run(tmp_path, range(11, 21))
    tracker.fails = True
    launch(tmp_path, tracker)
    fact = "(ConnectionError: refused http://***@host:5000): sent when the run is resumed"
    assert caplog.messages == [f"mlflow lacks 11 records and 2 images {fact}"]
    tracker.fails = False
    launch(tmp_path, tracker)
    tracker.fails = True
    launch(tmp_path, tracker)
    assert caplog.messages[1:] == [f"mlflow lacks the end of the run {fact}"]


def test_the_reason_is_what_the_system_says() -> None:
    error = RuntimeError("Max retries exceeded with url: …")
    error.__context__ = ConnectionRefusedError(111, "Connection refused")
    assert reason(error) == "ConnectionRefusedError: [Errno 111] Connection refused"
    assert reason(ValueError("first\nsecond")) == "ValueError: first"
    assert reason(KeyError()) == "KeyError"
