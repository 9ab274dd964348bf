"""`ray job submit … -- python -m cluster.train --config configs/demo.toml`, and `ray job stop`."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cyclegan.checkpoint_files import checkpoints, verify
from tests.cluster.launch import wait_for_metrics
from tests.ray_nodes import RAY, ROOT, Head, running_head

pytestmark = pytest.mark.process
# The demo's own configuration; only the length is cut, and nothing of the user's home is touched.
SHORT = ["--train.steps", "40", "--run.sample_every", "40"]


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with tempfile.TemporaryDirectory(prefix="rc") as folder, running_head(Path(folder)) as head:
        yield head


def job(head: Head, *words: str) -> list[str]:
    return [RAY, "job", words[0], "--address", head.dashboard, *words[1:]]


def entrypoint(storage: Path, *arguments: str) -> list[str]:
    return ["python", "-m", "cluster.train", "--config", "configs/demo.toml", "--run.storage", str(storage), *arguments]


def test_submitted_job_trains(head: Head, tmp_path: Path) -> None:
    submit = job(head, "submit", "--working-dir", ".", "--", *entrypoint(tmp_path / "runs", *SHORT))
    done = subprocess.run(submit, cwd=ROOT, env=head.environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "finished: 40 steps" in done.stdout
    assert verify(checkpoints(tmp_path / "runs/demo/checkpoints")[-1]).step == 40


def test_stopped_job_leaves_a_checkpoint(head: Head, tmp_path: Path) -> None:
    run = tmp_path / "runs/stopped"
    arguments = entrypoint(tmp_path / "runs", "--run.name", "stopped", "--run.checkpoint_every", "100000", "--run.log_every", "1")
    submit = job(head, "submit", "--no-wait", "--submission-id", "stopped", "--working-dir", ".", "--", *arguments)
    subprocess.run(submit, cwd=ROOT, env=head.environment, check=True, capture_output=True, timeout=120)
    wait_for_metrics(run, 10)
    subprocess.run(job(head, "stop", "stopped"), env=head.environment, check=True, capture_output=True, timeout=60)
    deadline = time.monotonic() + 30
    while not checkpoints(run / "checkpoints"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert verify(checkpoints(run / "checkpoints")[-1]).step >= 10


def test_storage_inside_the_job_is_refused(head: Head) -> None:
    submit = job(head, "submit", "--working-dir", ".", "--", *entrypoint(Path("runs")))
    done = subprocess.run(submit, cwd=ROOT, env=head.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "error: run.storage = runs lies in the job's working directory, an unpacked copy that vanishes with the job" in done.stdout
    assert "Traceback" not in done.stdout
