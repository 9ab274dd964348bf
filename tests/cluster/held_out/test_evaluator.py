"""Checkpoints are evaluated when training passes multiples of a number of steps, and nothing that fails reaches the training."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cluster.held_out.evaluator import HeldOutEvaluator, describe
from cluster.held_out.record import read_records
from cyclegan.checkpoint_files.measures import find_best
from cyclegan.evaluation.estimate import Estimate
from cyclegan.inference.held_out import Evaluation, Example
from ringcycle.storage.location import Location
from tests.cyclegan.made_checkpoint import write_checkpoint


def evaluation(value: float) -> Evaluation:
    image = np.zeros((8, 8, 3), np.uint8)
    measures = {"sliced_wasserstein": Estimate(value, None), "cycle_l1": Estimate(0.1, 0.01)}
    return Evaluation((3, 4), measures, {name: [Example(image, image, image, None)] for name in ("AtoB", "BtoA")})


class World:
    """A run with an evaluator; `evaluate` answers with the values given by step, or raises them."""

    def __init__(self, run: Path, values: dict[int, float | Exception], abandoned: Callable[[], bool] = lambda: False) -> None:
        self.run, self.values, self.evaluated = run, values, list[int]()
        self.evaluator = HeldOutEvaluator(run, 10, self.evaluate, abandoned)

    def evaluate(self, checkpoint: Location) -> Evaluation:
        step = int(Path(checkpoint).name.removeprefix("step-"))
        self.evaluated.append(step)
        value = self.values[step]
        if isinstance(value, Exception):
            raise value
        return evaluation(value)

    def train_to(self, step: int, until: int) -> None:
        """Save a checkpoint, report the step, and wait until `until` evaluations have begun."""
        write_checkpoint(self.run, step)
        self.evaluator.reached(step)
        deadline = time.monotonic() + 20
        while len(self.evaluated) < until and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(self.evaluated) == until


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.held_out.evaluator.POLL_SECONDS", 0.02)


def steps(run: Path) -> list[int]:
    return [int(entry["step"]) for entry in read_records(run)]


def test_each_multiple_and_the_end(tmp_path: Path) -> None:
    world = World(tmp_path, {10: 5.0, 25: 3.0, 29: 4.0})
    world.train_to(5, 0)
    world.train_to(10, 1)
    world.train_to(15, 1)
    world.train_to(25, 2)
    world.train_to(29, 2)
    assert world.evaluator.finish(final=True) >= 0
    assert world.evaluated == [10, 25, 29]
    assert steps(tmp_path) == [10, 25, 29]
    assert find_best(sorted((tmp_path / "checkpoints").iterdir()), "auto") == tmp_path / "checkpoints/step-00000025"


def test_a_stopped_run_is_not_waited_for(tmp_path: Path) -> None:
    world = World(tmp_path, {})
    write_checkpoint(tmp_path, 15)
    assert world.evaluator.finish(final=False) < 1
    assert world.evaluated == []


def test_a_short_run_is_not_evaluated(tmp_path: Path) -> None:
    world = World(tmp_path, {})
    world.train_to(9, 0)
    world.evaluator.finish(final=True)
    assert world.evaluated == []


def test_failures_cost_one_line_and_no_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path, {10: OSError("the disk is gone"), 20: 2.0})
    world.train_to(10, 1)
    world.train_to(20, 2)
    world.evaluator.finish(final=True)
    assert steps(tmp_path) == [20]
    assert [m for m in caplog.messages if m == "held-out images at step 10 are not evaluated (the disk is gone); training continues"]


def test_a_resumed_run_goes_on_after_what_was_recorded(tmp_path: Path) -> None:
    first = World(tmp_path, {10: 5.0, 20: 4.0})
    first.train_to(10, 1)
    first.train_to(20, 2)
    first.evaluator.finish(final=True)
    again = World(tmp_path, {30: 3.0})
    again.train_to(22, 0)
    again.train_to(30, 1)
    again.evaluator.finish(final=True)
    assert steps(tmp_path) == [10, 20, 30]


def test_a_run_that_went_back_is_evaluated_again(tmp_path: Path) -> None:
    world = World(tmp_path, {10: 5.0, 20: 4.0, 21: 3.0})
    world.train_to(10, 1)
    world.train_to(20, 2)
    world.evaluator.reached(12)
    world.train_to(21, 3)
    world.evaluator.finish(final=True)
    assert steps(tmp_path) == [10, 20, 21]


def test_a_run_taken_over_is_left_alone(tmp_path: Path) -> None:
    taken = False
    world = World(tmp_path, {10: 5.0}, lambda: taken)
    taken = True
    write_checkpoint(tmp_path, 10)
    world.evaluator.reached(10)
    world.evaluator.finish(final=True)
    assert world.evaluated == []
    assert steps(tmp_path) == []


def test_description() -> None:
    line = describe(2000, evaluation(4.5), [], 65)
    assert line == "held-out images at step 2,000 (3 A, 4 B): sliced Wasserstein 4.5 (the best so far), cycle error 0.1; took 1:05"
    assert "(best 4 at step 1,000)" in describe(2000, evaluation(4.5), [{"step": 1000, "sliced_wasserstein": 4.0}], 65)
