"""Ray Train's controller is killed: its placement group does not take the room of the next attempt, and the run ends as if undisturbed."""

import re
from pathlib import Path

import pytest

from tests.cluster.conftest import STEPS
from tests.cluster.launch import Launch, assert_equal_runs


@pytest.mark.process
def test_a_killed_controller_costs_one_restart(undisturbed: Path, arguments: list[str], storage: Path) -> None:
    with Launch([*arguments, "--run.name", "controller"]) as launch:
        launch.wait_for(r"step [\d,]+/")
        launch.ray_process("ray::TrainController").kill()
        output = launch.end(0)
    assert re.findall("restarting the workers: .*", output) == ["restarting the workers: Ray Train's controller died"]
    assert_equal_runs(undisturbed, storage / "controller", STEPS)
