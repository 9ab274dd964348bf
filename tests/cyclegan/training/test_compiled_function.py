"""Compiled functions: one signature only, and hits of the persistent cache."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from cyclegan.training.compiled_function import CompiledFunction, SignatureError

ROOT = Path(__file__).parents[3]


def doubled() -> CompiledFunction:
    def double(images: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        return images * rate

    return CompiledFunction(double, [tf.TensorSpec([2, 3], tf.float32, "images"), tf.TensorSpec([], tf.float32, "rate")])


@pytest.mark.parametrize(
    ("images", "text"),
    [
        (tf.zeros([2, 4]), "(images: float32[2, 4], rate: float32[])"),
        (tf.zeros([2, 3], tf.float64), "(images: float64[2, 3], rate: float32[])"),
        (tf.zeros([3]), "(images: float32[3], rate: float32[])"),
    ],
)
def test_a_different_signature_raises_an_error_that_shows_both(images: tf.Tensor, text: str) -> None:
    program = doubled()
    program(tf.ones([2, 3]), tf.constant(2.0))
    with pytest.raises(SignatureError) as caught:
        program(images, tf.constant(2.0))
    assert str(caught.value) == (f"program double was compiled for (images: float32[2, 3], rate: float32[]) but called with {text}")
    assert program.traces() == 1


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([tf.zeros([2, 3])], "(images: float32[2, 3])"),
        ([tf.zeros([2, 3]), tf.constant(2.0), tf.constant(1)], "(images: float32[2, 3], rate: float32[], surplus: int32[])"),
    ],
)
def test_a_different_number_of_arguments_too(given: list[tf.Tensor], text: str) -> None:
    with pytest.raises(SignatureError) as caught:
        doubled()(*given)
    assert str(caught.value).endswith(f"(images: float32[2, 3], rate: float32[]) but called with {text}")


def test_it_is_traced_once() -> None:
    program = doubled()
    assert program.traces() == 0
    assert program.compile(None).hit is None
    for i in range(4):
        np.testing.assert_array_equal(program(tf.ones([2, 3]) * i, tf.constant(2.0)), np.full((2, 3), 2 * i))
    assert program.traces() == 1


def test_compiling_runs_it_once_on_zeros_and_reports_the_time() -> None:
    calls = tf.Variable(0)

    def count(x: tf.Tensor) -> tf.Tensor:
        calls.assign_add(1)
        return x + 1

    report = CompiledFunction(count, [tf.TensorSpec([2])]).compile(None)
    assert report.name == "count"
    assert report.seconds > 0
    assert calls.numpy() == 1


# Like a worker: create variables, compile all units, assign values, then take steps in an uncompiled function around the units.
WORKER = """
import json, sys
from pathlib import Path
import tensorflow as tf
from cyclegan.config import ModelSpec, TrainConfig
from cyclegan.training.passes import make_passes
from cyclegan.training.compiled_function import CompiledFunction
from cyclegan.training.state import make_state

cache = Path(sys.argv[1])
model, train = ModelSpec(filters=4, blocks=1, discriminator_filters=4), TrainConfig(pool_size=2)
state = make_state(model, train, (24, 24))
passes = make_passes(state, model, train)
units = passes.discriminator_pass, passes.update_discriminators

def step(real, fake, draws, rate):
    vector = passes.discriminator_pass(real, fake, draws)
    passes.update_discriminators(vector, rate)
    return vector

step = CompiledFunction(step, [*units[0].signature, units[1].signature[1]], jit_compile=False)
reports = [unit.compile(cache) for unit in units]
state.assign_initial(int(sys.argv[2]))
before = sorted(f.name for f in cache.iterdir())
for _ in range(2):
    vector = step(*(tf.ones(s.shape, s.dtype) for s in step.signature[:2]), tf.zeros([2, 1, 2], tf.int32), tf.constant(0.1))
print(json.dumps({
    "hits": [report.hit for report in reports],
    "names": [report.name for report in reports],
    "traces": [unit.traces() for unit in (*units, step)],
    "new": sorted(set(f.name for f in cache.iterdir()) - set(before)),
    "files": before,
    "losses": vector[-2:].numpy().tolist(),
}))
"""


def worker(cache: Path, seed: int) -> dict[str, Any]:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_XLA_FLAGS": f"--tf_xla_persistent_cache_directory={cache}",
    }
    command = [sys.executable, "-c", WORKER, str(cache), str(seed)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    result: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return result


def test_a_second_process_finds_everything_in_the_cache(tmp_path: Path) -> None:
    first, second = worker(tmp_path, 0), worker(tmp_path, 1)
    assert first["names"] == ["discriminator_pass", "update_discriminators"]
    assert first["hits"] == [False, False]
    # Different values, e.g. a resumed state, do not change the program.
    assert second["hits"] == [True, True]
    assert first["losses"] != second["losses"]
    assert len(first["files"]) == 2
    for run in (first, second):
        assert run["traces"] == [1, 1, 1]
        assert run["new"] == [], "the step compiled something that compile() had not"
        assert run["files"] == first["files"]
