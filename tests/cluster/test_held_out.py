"""A training whose checkpoints are evaluated meanwhile, one of the evaluations being killed, ends as the undisturbed one does."""

import os
import signal
from pathlib import Path

import pytest

from cluster.held_out.record import read_records
from cyclegan.checkpoint_files.index import read_index
from cyclegan.checkpoint_files.measures import read_measures
from tests.cluster.conftest import STEPS
from tests.cluster.launch import Launch, assert_equal_runs

pytestmark = pytest.mark.process

EVERY = 40


def test_a_killed_evaluation_does_not_touch_the_run(undisturbed: Path, arguments: list[str], storage: Path) -> None:
    run = storage / "evaluated"
    values = ["--run.name", "evaluated", "--evaluate.every", str(EVERY), "--evaluate.images", "4"]
    with Launch([*arguments, *values]) as launch:
        process = launch.ray_process("ray::_evaluate")
        assert os.sched_getscheduler(process.pid) in (os.SCHED_IDLE, os.SCHED_OTHER)  # idle, once it has begun
        os.kill(process.pid, signal.SIGKILL)
        launch.wait_for(r"held-out images at step [\d,]+ are not evaluated \(.*\); training continues")
        output = launch.end(0)
    assert "restarting the workers" not in output
    assert_equal_runs(undisturbed, run, STEPS)
    records = read_records(run)
    assert records[-1]["step"] == STEPS, "the last checkpoint is evaluated in any case"
    last = run / f"checkpoints/step-{STEPS:08d}"
    assert read_measures(last, read_index(last))["sliced_wasserstein"] == records[-1]["sliced_wasserstein"]
    assert (run / f"samples/held-out-{STEPS:08d}.png").is_file()
    assert list((run / "events/held-out").iterdir())
