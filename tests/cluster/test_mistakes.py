"""Each user mistake leads to one clear line on standard error and exit code 2, before any worker starts."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from tests.ray_nodes import ROOT, clean_environment


def run(arguments: Sequence[str], tmp_path: Path) -> str:
    """Run a training that must fail with exit code 2. Returns its only line on standard error."""
    environment = {**clean_environment(), "RAY_ADDRESS": "local"}
    command = [sys.executable, "-m", "cluster.train", *arguments, "--run.storage", str(tmp_path / "runs")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    return line


def images(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", (40, 40), (i * 20, 100, 100)).save(folder / f"{i}.jpg")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    images(tmp_path / "horses/trainA", 4)
    images(tmp_path / "horses/trainB", 3)
    return tmp_path / "horses"


def test_missing_folder(tmp_path: Path) -> None:
    line = run(["--data.source", str(tmp_path / "nowhere")], tmp_path)
    assert line.startswith("error: data.source = ")
    assert "nowhere" in line


def test_no_source(tmp_path: Path) -> None:
    assert run([], tmp_path).startswith("error: data.source")


def test_empty_domain(source: Path, tmp_path: Path) -> None:
    for image in (source / "trainB").iterdir():
        image.unlink()
    line = run(["--data.source", str(source)], tmp_path)
    assert "trainB" in line


def test_no_list_of_pairs(source: Path, tmp_path: Path) -> None:
    line = run(["--data.source", str(source), "--data.pairs", str(tmp_path / "pairs.csv"), "--train.lambda_pairs", "10"], tmp_path)
    assert line == f'error: data.pairs = "{tmp_path}/pairs.csv" does not exist: name a CSV or Parquet file with the columns a and b'


def test_unknown_field(tmp_path: Path) -> None:
    assert run(["--train.btach", "3"], tmp_path) == "error: --train.btach: no such option, did you mean train.batch?; --help lists all"


@pytest.mark.process
def test_batch_larger_than_domain(source: Path, tmp_path: Path) -> None:
    sizes = ["--data.load_size", "40", "--data.crop_size", "32"]
    line = run(["--data.source", str(source), *sizes, "--train.batch", "4"], tmp_path)
    assert line == f"error: train.batch = 4, but domain B has 3 images ({source}/trainB): use 3 or fewer, or add images"


@pytest.mark.process
def test_a_worker_that_dies_in_cpp_is_reported_with_its_last_words(source: Path, tmp_path: Path) -> None:
    environment = {**clean_environment(), "RAY_ADDRESS": "local", "XLA_FLAGS": "--xla_no_such_flag=1"}
    sizes = {"data.load_size": 40, "data.crop_size": 32, "model.filters": 4, "model.blocks": 1, "model.discriminator_filters": 4}
    once = {"cluster.workers": 1, "cluster.max_restarts": 0, "cluster.compile_cache": tmp_path / "programs"}
    values = {"data.source": source, "run.storage": tmp_path / "runs", **sizes, **once}
    command = [sys.executable, "-m", "cluster.train", *(word for name, value in values.items() for word in (f"--{name}", str(value)))]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    line = done.stderr
    assert "worker 0 died" in line
    assert "Unknown flag in XLA_FLAGS: --xla_no_such_flag=1" in line
