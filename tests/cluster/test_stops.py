"""Real stops: every way in which a shell, a batch system or a terminal ends a command. Each saves a checkpoint."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from cyclegan.checkpoint_files.folders import checkpoints, verify
from tests.cluster.launch import Launch, small_run

STOPS: dict[str, Callable[[int], None]] = {
    "timeout": lambda pid: os.kill(pid, signal.SIGTERM),  # it passes the signal to its child, then to their group: twice
    "group": lambda pid: os.killpg(pid, signal.SIGTERM),
    "hangup": lambda pid: os.killpg(pid, signal.SIGHUP),
}


def check_stop(stop: str, folder: Path, programs: Path) -> None:
    """Launch a run with one worker, stop it after a few steps, and expect a checkpoint of its last step. No other is due."""
    values = {"run.name": stop, "cluster.workers": 1, "train.steps": 100_000, "run.checkpoint_every": 100_000}
    prefix = ["timeout", "--signal=TERM", "1000"] if stop == "timeout" else []
    with Launch(small_run(folder, programs, values), prefix=prefix) as launch:
        launch.wait_for(r"step [\d,]+/100,000", seconds=400)
        STOPS[stop](launch.process.pid)
        output = launch.end(75, seconds=120)
    (found,) = re.findall(r"stopped at step ([\d,]+)", output)
    (checkpoint,) = checkpoints(folder / "runs" / stop / "checkpoints")
    assert verify(checkpoint).step == int(found.replace(",", "")) > 0
    assert "Traceback" not in output


@pytest.mark.process
@pytest.mark.parametrize("stop", ["timeout", "hangup"])
def test_a_stop_that_reaches_every_process_saves_a_checkpoint(stop: str, tmp_path: Path, programs: Path) -> None:
    check_stop(stop, tmp_path, programs)


@pytest.mark.soak
@pytest.mark.parametrize("_", range(10))
@pytest.mark.parametrize("stop", STOPS)
def test_each_of_ten_stops_saves_a_checkpoint(stop: str, _: int, tmp_path: Path, programs: Path) -> None:
    check_stop(stop, tmp_path, programs)
