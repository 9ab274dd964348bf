"""The main job on real images: what a complete run leaves behind, and what `translate` makes of it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from cluster.reporting.launches import read_launches
from tests.cluster.conftest import STEPS, WORKERS
from tests.cluster.launch import Launch
from tests.ray_nodes import ROOT

pytestmark = pytest.mark.process


def test_artifacts(undisturbed: Path) -> None:
    lines = [json.loads(line) for line in (undisturbed / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert {"G_AB", "G_BA", "D_A", "D_B", "cycle_A", "cycle_B", "identity_A", "identity_B", "learning_rate"} <= lines[0].keys()
    assert lines[-1]["cycle_A"] < lines[0]["cycle_A"]
    assert list((undisturbed / "events").glob("events.out.tfevents.*"))
    assert Image.open(undisturbed / f"samples/step-{STEPS:08d}.png").size == (3 * 64, 2 * 64)
    assert (undisturbed / "config.toml").read_text().startswith("[data]")


def test_the_report(undisturbed: Path) -> None:
    """Written by the driver, without anybody asking for it."""
    page = (undisturbed / "report.html").read_text()
    assert all(part in page for part in (f"{STEPS} of {STEPS}", "finished", "data:image/webp;base64,"))
    (launch,) = read_launches(undisturbed)
    (attempt,) = launch.attempts
    assert (launch.outcome, launch.steps, attempt.reached_step, len(attempt.workers)) == ("finished", STEPS, STEPS, WORKERS)
    assert all(worker.device and worker.cores for worker in attempt.workers)
    assert attempt.trained_seconds <= (attempt.until - attempt.began).total_seconds()


@pytest.mark.skipif(not shutil.which("nvidia-smi"), reason="training on a GPU needs one")
def test_training_on_a_gpu(arguments: list[str], storage: Path) -> None:
    values = ["--run.name", "gpu", "--cluster.device", "gpu", "--cluster.workers", "1", "--train.steps", "20"]
    assert "finished: 20 steps" in Launch([*arguments, *values]).end(0)


def test_translate_writes_the_test_folder(undisturbed: Path, source: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cyclegan.translate", "--checkpoint", str(undisturbed), "--direction", "AtoB", "--restore-size"]
    subprocess.run([*command, str(source / "testA"), str(tmp_path / "out")], cwd=ROOT, check=True, timeout=240)
    originals = sorted((source / "testA").glob("*.jpg"))
    translated = sorted((tmp_path / "out").iterdir())
    assert [image.stem for image in translated] == [image.stem for image in originals]
    assert Image.open(translated[0]).size == Image.open(originals[0]).size
