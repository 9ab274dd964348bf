"""The thread that rewrites a run's page: it records what the supervisor does, and nothing that fails in it reaches the training."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cluster.driver.interfaces import Timer
from cluster.driver.observed_display import ObservedDisplay
from cluster.driver.run_reporter import RunReporter
from cluster.monitoring.status import Outcome, Progress, RunStatus, WorkerInfo
from cluster.paths import LAUNCHES, REPORT
from cluster.reporting.launches import read_launches
from tests.cluster.driver.fakes import World, trains
from tests.cluster.driver.test_goodput import BASE

NEVER = 3600.0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def status(step: int, attempt: int = 1) -> RunStatus:
    workers = {0: WorkerInfo(1, "10.0.0.1", (0, 1), (), 4, 3, 5.0, 0, "EPYC")}
    return RunStatus(attempt, "training", Progress(step, 100, {}, 2.0, 0.0, 9.0, step / 50), workers=workers, seconds={"train": 7.0})


def test_what_a_supervisor_did_is_recorded(tmp_path: Path) -> None:
    world = World(tmp_path, [trains(25, end="lost", reason="worker 1 died"), trains(40)])
    reporter = RunReporter(tmp_path, lambda: False, NEVER, Timer(lambda: world.now, world.sleep))
    world.attempt_ended, world.display = reporter.attempt_ended, ObservedDisplay(world, reporter.update)
    report = world.run()
    reporter.finish(report.status.outcome)
    (launch,) = read_launches(tmp_path)
    assert launch.outcome == "finished"
    assert [(attempt.number, attempt.resumed_step, attempt.reached_step) for attempt in launch.attempts] == [(1, 0, 25), (2, 20, 40)]
    assert [attempt.cause for attempt in launch.attempts] == ["worker 1 died", "finished"]
    assert [len(attempt.workers) for attempt in launch.attempts] == [2, 2]
    first = launch.attempts[0]
    assert (first.until - first.began).total_seconds() == pytest.approx(25, abs=2), "on the supervisor's clock"
    assert "stepped" in first.entered
    assert "worker 1 died" in (tmp_path / REPORT).read_text()


def test_the_page_is_rewritten_while_training_goes_on(tmp_path: Path) -> None:
    reporter = RunReporter(tmp_path, lambda: False, 0.05)
    reporter.update(status(10))
    until((tmp_path / REPORT).exists)
    until(lambda: [attempt.reached_step for attempt in read_launches(tmp_path)[0].attempts] == [10])
    reporter.update(status(20))
    until(lambda: read_launches(tmp_path)[0].attempts[0].reached_step == 20)
    (launch,) = read_launches(tmp_path)
    assert (launch.steps, launch.outcome, launch.attempts[0].cause) == (100, "", "")
    assert datetime.now(UTC) - launch.until < timedelta(seconds=20)
    (worker,) = launch.attempts[0].workers
    assert (worker.device, worker.cores, worker.hits) == ("EPYC", 2, 3)
    assert "training" in (tmp_path / REPORT).read_text()
    reporter.finish(Outcome("stopped", 20))
    assert [launch.outcome for launch in read_launches(tmp_path)] == ["stopped"]


def test_launches_follow_each_other(tmp_path: Path) -> None:
    for kind in ("stopped", "finished"):
        reporter = RunReporter(tmp_path, lambda: False, NEVER)
        reporter.update(status(5))
        reporter.attempt_ended(replace(BASE, cause="s3://KEY:SECRET@bucket is gone"))
        reporter.finish(Outcome(kind, 5, reason="s3://KEY:SECRET@bucket"))
    assert "SECRET" not in (tmp_path / LAUNCHES).read_text() + (tmp_path / REPORT).read_text()
    assert [launch.outcome for launch in read_launches(tmp_path)] == ["stopped", "finished"]


def test_a_failure_is_one_line_until_it_is_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / REPORT).mkdir()
    reporter = RunReporter(tmp_path, lambda: False, 0.02)
    until(lambda: len(caplog.messages) > 0)
    time.sleep(0.3)
    assert caplog.messages == [f"{REPORT} is not written (Is a directory); training continues"]
    (tmp_path / REPORT).rmdir()
    until((tmp_path / REPORT).is_file)
    reporter.finish(None)
    assert len(caplog.messages) == 1


def test_nothing_is_written_to_a_run_that_another_process_trains(tmp_path: Path) -> None:
    reporter = RunReporter(tmp_path, lambda: True, 0.02)
    reporter.update(status(5))
    reporter.finish(Outcome("failed", 5))
    assert list(tmp_path.iterdir()) == []


def test_storage_that_hangs_delays_the_end_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("cluster.driver.run_reporter.LAST_SECONDS", 0.1)
    monkeypatch.setattr("cluster.driver.run_reporter.write_launches", lambda run, launches: time.sleep(2))
    reporter = RunReporter(tmp_path, lambda: False, NEVER)
    began = time.monotonic()
    reporter.finish(None)
    assert time.monotonic() - began < 1.5
    assert caplog.messages == [f"the storage is slow: {REPORT} does not show the end of this launch"]
    assert not (tmp_path / LAUNCHES).exists()
