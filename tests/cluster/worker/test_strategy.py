"""Real processes under MultiWorkerMirroredStrategy, without Ray: two workers with batch 1 do what one with batch 2 does."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cluster.worker.two_workers import EXACT, vector_of
from tests.ray_nodes import ROOT, free_ports

pytestmark = pytest.mark.process
QUICK_COMPILE = {"XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"}


def train(folder: Path, groups: Sequence[int]) -> list[Path]:
    """Train groups of so many workers in parallel. Returns where each worker saved its arrays, without the suffix of the file names."""
    ports, tasks = iter(free_ports(sum(groups))), []
    for workers in groups:
        addresses = [f"127.0.0.1:{next(ports)}" for _ in range(workers)]
        tasks += [{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}} for rank in range(workers)]
    processes: list[subprocess.Popen[bytes]] = []
    outputs: list[Path] = []
    for task in tasks:
        outputs.append(folder / str(len(outputs)))
        environment = {**os.environ, "TF_CONFIG": json.dumps(task), "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": str(ROOT), **QUICK_COMPILE}
        command = [sys.executable, "-m", "tests.cluster.worker.two_workers", str(outputs[-1])]
        processes.append(subprocess.Popen(command, cwd=ROOT, env=environment))
    try:
        assert [process.wait(500) for process in processes] == [0] * len(tasks)
    finally:
        for process in processes:
            process.kill()
    return outputs


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The outputs of the single worker, then of the two."""
    return train(tmp_path_factory.mktemp("workers"), (1, 2))


@pytest.fixture(params=["float32", "float64"])
def runs(request: pytest.FixtureRequest, outputs: list[Path]) -> tuple[str, dict[str, Any], list[dict[str, Any]]]:
    one, *two = (dict(np.load(f"{output}-{request.param}.npz")) for output in outputs)
    return request.param, one, two


def test_both_workers_hold_the_same_state(runs: tuple[str, dict[str, Any], list[dict[str, Any]]]) -> None:
    _, _, (first, second) = runs
    assert all(array.tobytes() == second[name].tobytes() for name, array in first.items())


def test_two_workers_equal_one_with_twice_the_batch(runs: tuple[str, dict[str, Any], list[dict[str, Any]]]) -> None:
    dtype, one, (two, _) = runs
    for name in ("generator gradient", "discriminator gradient"):
        # The sums have another order: a few hundred roundings of the largest terms.
        tolerance = 1e-5 if dtype == "float32" else 1e-13
        assert np.abs(two[name] - one[name]).max() < tolerance * np.abs(one[name]).max()
    if dtype == "float64":  # in float32, Adam's first steps amplify the rounding of tiny gradients
        for name in ("generators.weights", "discriminators.weights"):
            np.testing.assert_allclose(two[name], one[name], rtol=0, atol=1e-9)
        assert one["generators.updates"] == 3


def test_an_allreduce_in_bfloat16_is_equal_on_both_and_as_close_as_stated(outputs: list[Path]) -> None:
    first, second = (dict(np.load(f"{output}-allreduce.npz")) for output in outputs[1:])
    assert all(vector.tobytes() == second[dtype].tobytes() for dtype, vector in first.items())
    one, other = vector_of(0).astype(np.float64), vector_of(1).astype(np.float64)
    error = np.abs(first["bfloat16"] - (one + other) / 2)
    magnitude = (np.abs(one) + np.abs(other)) / 2
    assert (error[:-EXACT] <= ((1 + 2**-8) ** 2 - 1) * magnitude[:-EXACT]).all()
    assert error[:-EXACT].max() > 0
    np.testing.assert_array_equal(first["bfloat16"][-EXACT:], first["float32"][-EXACT:])
