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

from tests.cluster.two_workers import EXACT, vector_of
from tests.ray_nodes import ROOT, free_ports

pytestmark = pytest.mark.process
QUICK_COMPILE = {"XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"}


def train(folder: Path, groups: Sequence[int]) -> list[Path]:
    """Groups of so many workers, side by side. Where each worker saved its arrays, but for the type and suffix in the name."""
    ports, tasks = iter(free_ports(sum(groups))), []
    for workers in groups:
        addresses = [f"127.0.0.1:{next(ports)}" for _ in range(workers)]
        tasks += [{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}} for rank in range(workers)]
    processes, outputs = [], []
    for task in tasks:
        outputs.append(folder / str(len(outputs)))
        environment = {**os.environ, "TF_CONFIG": json.dumps(task), "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": str(ROOT), **QUICK_COMPILE}
        command = [sys.executable, "-m", "tests.cluster.two_workers", str(outputs[-1])]
        processes.append(subprocess.Popen(command, cwd=ROOT, env=environment))
    try:
        assert [process.wait(240) for process in processes] == [0] * len(tasks)
    finally:
        for process in processes:
            process.kill()
    return outputs


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of the one worker, then of the two."""
    return train(tmp_path_factory.mktemp("workers"), (1, 2))


@pytest.fixture(params=["float32", "float64"])
def runs(request: pytest.FixtureRequest, outputs: list[Path]) -> tuple[str, dict[str, Any], list[dict[str, Any]]]:
    one, *two = (dict(np.load(f"{output}-{request.param}.npz")) for output in outputs)
    return request.param, one, two


def test_both_workers_hold_the_same(runs: tuple[str, dict[str, Any], list[dict[str, Any]]]) -> None:
    _, _, (first, second) = runs
    assert all(array.tobytes() == second[name].tobytes() for name, array in first.items())


def test_two_workers_equal_one_with_twice_the_batch(runs: tuple[str, dict[str, Any], list[dict[str, Any]]]) -> None:
    dtype, one, (two, _) = runs
    for name in ("generator gradient", "discriminator gradient"):
        # Sums in another order: some hundred roundings of the largest terms.
        tolerance = 1e-5 if dtype == "float32" else 1e-13
        assert np.abs(two[name] - one[name]).max() < tolerance * np.abs(one[name]).max()
    if dtype == "float64":  # in float32 Adam's first steps turn the roundings of tiny gradients into steps of their own
        for name in ("generators.weights", "discriminators.weights"):
            np.testing.assert_allclose(two[name], one[name], rtol=0, atol=1e-9)
        assert one["generators.updates"] == 3


def test_bfloat16_on_the_wire_is_equal_on_both_and_as_near_as_stated(outputs: list[Path]) -> None:
    first, second = (dict(np.load(f"{output}-wire.npz")) for output in outputs[1:])
    assert all(vector.tobytes() == second[wire].tobytes() for wire, vector in first.items())
    one, other = vector_of(0).astype(np.float64), vector_of(1).astype(np.float64)
    error = np.abs(first["bfloat16"] - (one + other) / 2)
    magnitude = (np.abs(one) + np.abs(other)) / 2
    assert (error[:-EXACT] <= ((1 + 2**-8) ** 2 - 1) * magnitude[:-EXACT]).all()
    assert error[:-EXACT].max() > 0
    np.testing.assert_array_equal(first["bfloat16"][-EXACT:], first["float32"][-EXACT:])
