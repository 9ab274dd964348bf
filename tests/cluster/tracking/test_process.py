"""The process that sends: what it needs, and that no server keeps it."""

import importlib.util
import logging
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from cluster.tracking import process
from cluster.tracking.process import TrackerProcess, check_tracker
from ringcycle.errors import UserError
from tests.cluster.tracking.made_run import write_run
from tests.ray_nodes import ROOT

needs_mlflow = pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="mlflow is not installed")


@contextmanager
def silent_server() -> Iterator[tuple[int, threading.Event]]:
    """A server that accepts connections and never answers: its port, and whether somebody has called."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held, called = [], threading.Event()

        def accept() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return
                called.set()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], called
        for connection in held:
            connection.close()


def test_a_missing_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder `wandb`, as wandb itself leaves behind, is not the package."""
    (tmp_path / "wandb").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for kind, package in (("mlflow", "mlflow-skinny"), ("wandb", "wandb")):
        monkeypatch.delitem(sys.modules, kind, raising=False)
        line = f"run.tracker = {kind}, but {package} is not installed: pip install '.[{kind}]', or set it to none"
        with pytest.raises(UserError, match=re.escape(line)):
            check_tracker(kind, {"MLFLOW_TRACKING_URI": "http://host:5000"})
    check_tracker("none", {})


@needs_mlflow
def test_a_missing_address_is_told() -> None:
    with pytest.raises(UserError, match=r"run.tracker = mlflow, but MLFLOW_TRACKING_URI is not set: "):
        check_tracker("mlflow", {})
    program = "import sys; from cluster.tracking.process import check_tracker; "
    program += "check_tracker('mlflow', {'MLFLOW_TRACKING_URI': 'http://host:5000'}); sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_without_a_tracker_there_is_no_process(tmp_path: Path) -> None:
    before = psutil.Process().children()
    with TrackerProcess("none", tmp_path, "mine") as tracker:
        assert psutil.Process().children() == before
        tracker.finish("finished")


@pytest.mark.process
@needs_mlflow
def test_a_server_that_hangs_costs_warnings_and_little_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path, range(1, 11))
    caplog.set_level(logging.INFO)
    with silent_server() as (port, _):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:PASSWORD@127.0.0.1:{port}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        with TrackerProcess("mlflow", tmp_path, "mine") as tracker:
            wait_for(caplog, "mlflow fails")
            began = time.monotonic()
            tracker.finish("finished")
            assert time.monotonic() - began < 10
    first, second = caplog.messages
    assert re.fullmatch(r"mlflow fails \(.*[Tt]ime.*\): training continues, and what is missing there is sent later", first)
    assert re.fullmatch(r"mlflow lacks 11 records and 2 images \(.*\): sent when the run is resumed", second)
    assert "PASSWORD" not in caplog.text


@pytest.mark.process
@needs_mlflow
def test_only_its_driver_ends_it_and_kills_it_if_it_hangs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path, [1])
    monkeypatch.setattr(process, "END_SECONDS", 1 - process.GRACE)
    with silent_server() as (port, called):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1000")
        with TrackerProcess("mlflow", tmp_path, "mine") as tracker:
            child = process_of(tracker)
            assert called.wait(60)
            child.terminate()  # as batch systems do to all processes
            with pytest.raises(psutil.TimeoutExpired):
                child.wait(0.5)
            began = time.monotonic()
            tracker.finish("finished")
            assert time.monotonic() - began < 5
    assert not child.is_running()
    assert caplog.messages == ["mlflow takes too long: what is missing there is sent when the run is resumed"]


@pytest.mark.process
@needs_mlflow
def test_a_process_that_dies_is_told_and_one_whose_driver_dies_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path, [1])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with TrackerProcess("mlflow", tmp_path, "mine") as tracker:
        process_of(tracker).kill()
        wait_for(caplog, r"the process that sends to mlflow has died \(code -9\); training continues")
        tracker.finish("finished")
    with TrackerProcess("mlflow", tmp_path, "mine") as tracker:
        assert tracker._process and tracker._process.stdin
        tracker._process.stdin.close()  # as the kernel does when the driver dies
        wait_for(caplog, rf"the process that sends to mlflow has died \(code (0|{-signal.SIGALRM:d})\)")


def process_of(tracker: TrackerProcess) -> psutil.Process:
    """The process itself: those who run tests have other children too, of Ray."""
    assert tracker._process
    return psutil.Process(tracker._process.pid)


def wait_for(caplog: pytest.LogCaptureFixture, pattern: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not any(re.match(pattern, message) for message in caplog.messages):
        assert time.monotonic() < deadline, caplog.text
        time.sleep(0.05)
