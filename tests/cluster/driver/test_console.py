import pytest

from cluster.driver.console import Screen, progress_text
from cluster.monitoring.status import Progress, RunStatus, StatusBoard, WorkerInfo
from ringcycle.logs import send_lines
from ringcycle.storage.retry import with_retries


def test_progress_line() -> None:
    losses = {"G_AB": 0.2, "G_BA": 0.4, "cycle_A": 1.0, "cycle_B": 3.0, "identity_A": 0.5, "identity_B": 0.5, "D_A": 0.1, "D_B": 0.3}
    text = progress_text(Progress(step=1200, steps=100_000, losses=losses, images_per_second=12.34, wait=0.004, seconds_left=3723))
    assert text == "step 1,200/100,000  G 0.300  cycle 2.000  identity 0.500  D 0.200  12.3 images/s  wait 0.4%  1:02:03 left"


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
