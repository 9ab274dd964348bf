"""The whole policy as a table: no cluster, no clock."""

from dataclasses import replace

import pytest

from cluster.driver.policy import Act, Ended, Patience, Running, after_end, go_back_before, while_running, workers_now
from cluster.monitoring.status import WorkerStatus

PATIENCE = Patience(start=180, peer=60, close=660)
FINE = WorkerStatus("training", step=100, seconds_since_heartbeat=0.5, seconds_since_step=1.0, step_seconds=1.0)
TWO = Running(workers=2, age=500, ranks={0: FINE, 1: FINE})
COMPILING = replace(FINE, phase="compiling", step=0, seconds_since_step=900)


def ranks(first: WorkerStatus, second: WorkerStatus) -> Running:
    return replace(TWO, ranks={0: first, 1: second})


@pytest.mark.parametrize(
    ("status", "act", "reason"),
    [
        (TWO, Act.WAIT, ""),
        (replace(TWO, ranks={}, age=179), Act.WAIT, ""),
        (replace(TWO, ranks={}, age=181), Act.START_AGAIN, "workers 0, 1 did not start within 180 s"),
        (replace(TWO, ranks={0: COMPILING}, age=181), Act.START_AGAIN, "worker 1 did not start within 180 s"),
        (replace(TWO, ranks={0: COMPILING}, age=9, short=True), Act.START_AGAIN, "a node was lost before worker 1 started"),
        (replace(TWO, short=True), Act.WAIT, ""),
        (ranks(COMPILING, COMPILING), Act.WAIT, ""),
        (ranks(COMPILING, replace(COMPILING, seconds_since_heartbeat=61)), Act.START_AGAIN, "worker 1 has been silent for 61 s"),
        (
            ranks(replace(FINE, seconds_since_step=61), replace(FINE, seconds_since_heartbeat=61, seconds_since_step=61)),
            Act.START_AGAIN,
            "worker 1 has been silent for 61 s",
        ),
        (ranks(replace(FINE, seconds_since_step=62), FINE), Act.WAIT, ""),
        (ranks(replace(FINE, seconds_since_step=64), replace(FINE, seconds_since_step=64)), Act.START_AGAIN, "no step for 64 s"),
        (ranks(replace(FINE, seconds_since_step=200, step_seconds=50), FINE), Act.WAIT, ""),
        (
            ranks(replace(FINE, seconds_since_step=64), replace(FINE, seconds_since_step=64, waits_for_data=True)),
            Act.START_AGAIN,
            "no step for 64 s, worker 1 waits for data",
        ),
        (ranks(replace(FINE, phase="closing", seconds_since_step=99), FINE), Act.WAIT, ""),
        (
            ranks(replace(FINE, phase="closing", seconds_since_step=99, seconds_since_heartbeat=61), FINE),
            Act.START_AGAIN,
            "worker 0 has been silent for 61 s",
        ),
        (
            ranks(replace(FINE, phase="closing", seconds_since_step=661), FINE),
            Act.START_AGAIN,
            "the last checkpoint was not written within 660 s",
        ),
        (replace(TWO, signals=1), Act.SAVE_AND_STOP, "stopping: waiting for a checkpoint; once more leaves at once"),
        (replace(TWO, signals=1, asked=True), Act.WAIT, ""),
        (replace(TWO, signals=2, asked=True), Act.STOP, "left before a checkpoint was written"),
        (replace(ranks(COMPILING, COMPILING), signals=1), Act.STOP, "stopped before the first step"),
        (
            replace(ranks(replace(FINE, seconds_since_step=99), FINE), signals=1, asked=True),
            Act.START_AGAIN,
            "no step for 99 s",
        ),
        (replace(TWO, draining="10.0.0.2"), Act.SAVE_AND_MOVE, "node 10.0.0.2 is draining: saving a checkpoint and leaving it"),
        (replace(TWO, draining="10.0.0.2", asked=True), Act.WAIT, ""),
        (replace(TWO, larger=4, larger_for=29), Act.WAIT, ""),
        (replace(TWO, larger=4, larger_for=31), Act.SAVE_AND_MOVE, "nodes are back: saving a checkpoint and going on with 4 workers"),
        (replace(ranks(COMPILING, COMPILING), larger=4, larger_for=31), Act.WAIT, ""),
        (replace(TWO, mismatch="worker 1 differs"), Act.RESTORE, "worker 1 differs"),
    ],
)
def test_a_group_that_runs(status: Running, act: Act, reason: str) -> None:
    decision = while_running(status, PATIENCE)
    assert (decision.act, decision.reason) == (act, reason)


@pytest.mark.parametrize(
    ("ended", "act"),
    [
        (Ended("finished"), Act.END),
        (Ended("failed"), Act.END),
        (Ended("stopped", signals=1), Act.END),
        (Ended("stopped", moved=True), Act.START_AGAIN),
        (Ended("stopped", moved=True, signals=1), Act.END),
        (Ended("lost"), Act.START_AGAIN),
        (Ended("lost", signals=1), Act.STOP),
        (Ended("lost", losses=11, starts_in_vain=1), Act.GIVE_UP),
        (Ended("lost", losses=10, starts_in_vain=4), Act.START_AGAIN),
        (Ended("lost", losses=5, starts_in_vain=5), Act.GIVE_UP),
        (Ended("diverged", retreats=2, losses=99), Act.RETREAT),
        (Ended("diverged", retreats=3), Act.END),
    ],
)
def test_a_group_that_has_ended(ended: Ended, act: Act) -> None:
    assert after_end(ended, max_restarts=10).act is act


@pytest.mark.parametrize(
    ("fit", "waited", "workers"),
    [(9, 0, 8), (8, 0, 8), (7, 0, None), (7, 300, 4), (4, 300, 4), (3, 300, 2), (1, 299, None), (1, 300, 0)],
)
def test_how_many_workers(fit: int, waited: float, workers: int | None) -> None:
    assert workers_now(fit, [8, 4, 2], waited, patience=300) == workers


@pytest.mark.parametrize(
    ("trouble", "resumed", "retreats", "before"),
    [(530, 500, 0, 530), (530, 500, 1, 500), (700, 500, 1, 700)],
)
def test_how_far_to_go_back(trouble: int, resumed: int, retreats: int, before: int) -> None:
    assert go_back_before(trouble, resumed, retreats, checkpoint_every=100) == before
