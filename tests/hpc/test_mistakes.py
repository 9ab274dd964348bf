"""The batch scripts: style, and mistakes that end a job with one line, before anything starts."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.hosts import Host
from tests.hpc.batch_jobs import BatchSystem, edited
from tests.ray_nodes import ROOT

SCRIPTS = sorted((ROOT / "hpc").glob("*.sh"))
RESOURCES = {"select": "1:ncpus=2", "walltime": "01:00:00"}


@pytest.fixture
def system(tmp_path: Path) -> BatchSystem:
    """This machine alone."""
    return BatchSystem([Host("", "127.0.0.1")], tmp_path)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck() -> None:
    done = subprocess.run(["shellcheck", "-x", *map(str, SCRIPTS)], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == ""


@pytest.mark.parametrize("script", ["slurm.sh", "pbs.sh"])
def test_outside_a_job(script: str) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "PBS_"))}
    done = subprocess.run(["bash", f"hpc/{script}"], cwd=ROOT, env=inherited, capture_output=True, text=True)
    assert done.returncode == 1
    assert "this is a batch script: " in done.stderr


def test_a_wrong_argument_starts_nothing(system: BatchSystem) -> None:
    job = system.slurm(["--train.bach", "2"])
    lines = job.end(2).splitlines()
    assert lines[-1].startswith("error: ") and "train.bach" in lines[-1]
    assert system.calls("srun") == []


def test_no_environment(system: BatchSystem) -> None:
    script = (ROOT / "hpc/pbs.sh").read_text().replace(".venv/bin", "/nowhere")
    output = system.pbs("--config configs/xeon.toml", RESOURCES, script).end(1)
    assert output.splitlines()[-1] == "error: python and ray are not available: edit activate in the batch script"
    assert system.calls("pbsdsh") == []


@pytest.mark.parametrize(
    ("train", "line"),
    [
        ("", "error: TRAIN is not set: export TRAIN='--config …', then qsub -v TRAIN hpc/pbs.sh"),
        ("--run.name 'a b", "error: TRAIN: a quotation mark is not closed"),
        ("--run.name 'a b' --train.bach 2", "error: --train.bach: no such option"),
    ],
)
def test_mistakes_in_train(train: str, line: str, system: BatchSystem) -> None:
    output = system.pbs(train, RESOURCES).end(2 if "bach" in train else 1)
    assert output.splitlines()[-1].startswith(line)


def test_a_time_limit_that_is_too_short(system: BatchSystem) -> None:
    output = system.pbs("--config configs/xeon.toml", {**RESOURCES, "walltime": "00:10:00"}).end(1)
    assert output.splitlines() == ["error: the job's time limit leaves no time for training: ask for more"]
    assert system.calls("pbsdsh") == []


def test_another_folder_than_the_projects(system: BatchSystem, tmp_path: Path) -> None:
    copy = tmp_path / "pbs.sh"
    copy.write_text(edited((ROOT / "hpc/pbs.sh").read_text()))
    environment = {**system.environment, "PBS_O_WORKDIR": str(tmp_path)}
    done = subprocess.run(["bash", str(copy)], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"error: {tmp_path} is not the project's folder: run qsub there"
