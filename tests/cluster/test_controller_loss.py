"""Ray Train's controller is killed: its placement group does not take the room of the next attempt, and the run ends as if undisturbed."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.cluster.conftest import STEPS
from tests.cluster.launch import Launch, assert_equal_runs


@pytest.mark.process
def test_a_killed_controller_costs_one_restart(undisturbed: Path, arguments: list[str], storage: Path) -> None:
    with Launch([*arguments, "--run.name", "controller"]) as launch:
        launch.wait_for(r"step [\d,]+/")
        began = psutil.Process(launch.process.pid).create_time()
        (controller,) = (
            process.pid
            for process in psutil.process_iter(["cmdline", "create_time"])
            if (process.info["cmdline"] or [""])[0].startswith("ray::TrainController") and process.info["create_time"] > began
        )
        os.kill(controller, signal.SIGKILL)
        output = launch.end(0)
    assert output.count("restarting the workers") == 1
    assert_equal_runs(undisturbed, storage / "controller", STEPS)
