"""Ray counts GPUs that TensorFlow cannot use: CUDA's libraries are missing, as in any installation of plain TensorFlow."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from preprocess.synthetic import write_dataset
from tests.cluster.launch import TINY, Launch, options
from tests.ray_nodes import ROOT, Head, running_head

pytestmark = [pytest.mark.process, pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="TensorFlow sees a GPU here")]


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with tempfile.TemporaryDirectory(prefix="rc", ignore_cleanup_errors=True) as folder, running_head(Path(folder), gpus=2) as head:
        yield head


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> list[str]:
    folder = tmp_path_factory.mktemp("run")
    write_dataset(folder / "images", images=6, test=1, size=40)
    here = {"data.source": folder / "images", "run.storage": folder / "runs", "cluster.compile_cache": programs}
    return options({**TINY, **here, "train.steps": 2, "cluster.workers": 2})


def test_the_processors_train_instead(given: list[str], head: Head) -> None:
    with Launch(given, {**head.environment, "RAY_ADDRESS": head.address}) as launch:
        output = launch.end(0)
    assert output.count("TensorFlow sees no GPU, though Ray has one for each worker: training on processors") == 1
    assert "finished: 2 steps" in output and "restarting" not in output


def test_a_demanded_gpu_that_is_missing_is_said_in_one_line(given: list[str], head: Head) -> None:
    words = [*given, "--cluster.device", "gpu", "--run.name", "demanded"]
    with Launch(words, {**head.environment, "RAY_ADDRESS": head.address}) as launch:
        output = launch.end(1)
    assert re.search(r"worker [01] on \S+: TensorFlow sees no GPU, though Ray has one for it: install", output), output
    assert not re.search("Traceback|restarting|evaluating", output)


def test_the_doctor_says_so_before_a_training_does(given: list[str], head: Head) -> None:
    command = [sys.executable, "-m", "cluster.doctor", "--json", *given]
    done = subprocess.run(
        command, cwd=ROOT, env={**head.environment, "RAY_ADDRESS": head.address}, capture_output=True, text=True, timeout=150
    )
    (found,) = [finding for finding in json.loads(done.stdout)["findings"] if finding["check"] == "gpus"]
    assert (found["verdict"], found["fact"]) == ("warning", "Ray counts 2, TensorFlow sees none: processors would train")
