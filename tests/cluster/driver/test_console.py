import logging

import pytest

from cluster.driver.console import Screen
from cluster.monitoring.status import RunStatus, StatusBoard, WorkerInfo
from ringcycle.logs import send_lines
from ringcycle.storage.retry import with_retries


def test_each_line_of_an_attempt_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    for attempt, lines in [(1, ["one"]), (1, ["one", "two [x]"]), (1, ["one", "two [x]"]), (2, []), (2, ["three"])]:
        screen.show(RunStatus(attempt, lines=lines))
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if line != RunStatus().phase] == ["one", "two [x]", "three"]
    assert printed.count(RunStatus().phase) == 1, "progress is printed at intervals where it cannot be redrawn"


def test_foreign_text_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    screen.show(RunStatus(1, lines=["rejected \x1b[2J\x9b1A.png"]))
    assert "rejected \\x1b[2J\\x9b1A.png" in capsys.readouterr().out.splitlines()


def test_workers_are_shown_when_they_are_ready(capsys: pytest.CaptureFixture[str]) -> None:
    screen, worker = Screen(), WorkerInfo(7, "host", (0, 1), (8, 9), programs=4, hits=4, compile_seconds=0.0, step=1200)
    for _ in range(2):
        screen.show(RunStatus(1, workers={0: worker}))
    line = "worker 0: process 7 on host, cores 0, 1, feed 8, 9, ready at step 1,200"
    assert capsys.readouterr().out.splitlines().count(line) == 1


def test_warnings_of_retries_in_a_worker_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """As in `cluster.worker.main`: lines go to the board, and from there to the screen."""
    board, screen = StatusBoard(workers=1), Screen()
    send_lines(board.add_line)
    answers = iter([OSError("SLOW_DOWN")] * 6)

    def fails_six_times() -> int:
        for error in answers:
            raise error
        return 1

    assert with_retries(fails_six_times, "s3://bucket/runs", sleep=lambda seconds: None) == 1
    screen.show(board.read())
    printed = [line for line in capsys.readouterr().out.splitlines() if "s3://bucket/runs" in line]
    assert len(printed) == 1 and "(SLOW_DOWN); retrying" in printed[0]


def test_at_the_level_warning_only_what_is_logged_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(logging.WARNING)
    send_lines(screen.log_line, screen.level)
    screen.phase("starting Ray")
    screen.line("starting run default")
    logging.getLogger("cluster.driver").info("restarted")
    logging.getLogger("cluster.driver").warning("the storage hangs")
    screen.show(RunStatus(1, lines=["a worker warns"]))
    assert capsys.readouterr().out.splitlines() == ["the storage hangs", "a worker warns"]
