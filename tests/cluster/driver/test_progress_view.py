"""The display fits its terminal, and a real terminal shows it below the lines."""

import io
import os
import pty
import re
import subprocess
import sys

import pytest
from rich.console import Console

from cluster.driver.progress_view import ProgressView, packed, progress_text
from cluster.monitoring.status import Progress
from tests.ray_nodes import ROOT

LOSSES = {"G_AB": 0.2, "G_BA": 0.4, "cycle_A": 1.0, "cycle_B": 3.0, "identity_A": 0.5, "identity_B": 0.5, "D_A": 0.1, "D_B": 0.3}
PROGRESS = Progress(step=1200, steps=100_000, losses=LOSSES, images_per_second=12.34, wait=0.004, seconds_left=3723, epoch=2.345)


def rendered(view: ProgressView, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(view)
    return [re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", line).rstrip() for line in captured.get().splitlines()]


def test_progress_line() -> None:
    assert progress_text(PROGRESS) == (
        "step 1,200/100,000  G 0.300  cycle 2.000  identity 0.500  D 0.200  12.3 images/s  wait 0.4%  1:02:03 left"
    )


def test_known_pairs_have_a_loss_of_their_own() -> None:
    losses = {**LOSSES, "pairs_A": 0.1, "pairs_B": 0.2}
    assert "  identity 0.500  pairs 0.150  D 0.200  " in progress_text(Progress(1, 2, losses, 1.0, 0.0, 0.0, 0.0))


@pytest.mark.parametrize("width", [80, 120])
def test_three_lines_on_usual_terminals(width: int) -> None:
    view = ProgressView()
    view.training(PROGRESS)
    head, figures, losses = rendered(view, width)
    assert re.fullmatch(r". training  [━╸╺ ]+  1\.2%  1:02:03 left", head)
    assert len(head) == width
    assert figures == "  step 1,200/100,000  epoch 2.3  12.3 images/s  wait 0.4%"
    assert losses == "  G 0.300  cycle 2.000  identity 0.500  D 0.200"


@pytest.mark.parametrize("width", [50, 30, 22, 8, 1])
def test_on_narrow_terminals_lines_are_shorter_not_wrapped(width: int) -> None:
    view = ProgressView()
    view.training(PROGRESS)
    lines = rendered(view, width)
    assert all(len(line) <= width for line in lines)
    if width >= 20:
        for field in ("step 1,200/100,000", "12.3 images/s", "wait 0.4%", "1:02:03 left", "cycle 2.000"):
            assert any(field in line for line in lines), field
    view.phase("looking for shards in a folder whose name is long [x]")
    assert len(rendered(view, width)) == 1


def test_fields_are_not_broken() -> None:
    assert packed(["aa", "bb", "cc"], 6) == ["aa  bb", "cc"]
    assert packed(["aa", "longer than that"], 6) == ["aa", "longer than that"]
    assert packed([], 6) == []


PROGRAM = """
import sys, time
from cluster.driver.console import Screen
from cluster.monitoring.status import Progress, RunStatus
screen = Screen()
screen.phase("starting Ray")
for step in range(1, 6):
    lines = [f"line {n}" for n in range(step)]
    progress = Progress(step, 5, {"G_AB": 1.0, "G_BA": 1.0}, 2.0, 0.5, 5.0 - step, 1.0)
    screen.show(RunStatus(1, "training", progress, lines=lines))
    time.sleep(0.3)
    if step == 3:
        print("printed by a library", file=sys.stderr)
screen.close()
"""


def on_terminal(kind: str) -> str:
    """What a terminal of this kind, 60 columns wide, gets."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": kind, "COLUMNS": "60", "LINES": "20", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        content = b""
        while True:
            try:
                content += os.read(ours, 2**16)
            except OSError:  # all that had the terminal open have ended
                break
    os.close(ours)
    assert process.returncode == 0
    return content.decode()


def test_lines_appear_above_the_display_and_nothing_remains_of_it() -> None:
    output = on_terminal("xterm-256color")
    plain = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", output)
    assert [plain.count(f"line {n}\r\n") for n in range(5)] == [1] * 5
    assert "printed by a library\r\n" in plain
    assert "training" in plain and "60.0%" in plain
    assert output.rstrip().endswith("\x1b[2K"), "the display is erased"
    assert "\x1b[?25h" in output[output.rindex("\x1b[?25l") :], "the cursor is shown again"


def test_a_dumb_terminal_gets_lines() -> None:
    output = on_terminal("dumb")
    assert "\x1b" not in output
    assert output.count("starting Ray\r\n") == 1
    assert [output.count(f"line {n}\r\n") for n in range(5)] == [1] * 5
