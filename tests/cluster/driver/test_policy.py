"""The entire policy as a table: no cluster, no clock."""

from dataclasses import replace

import pytest

from cluster.driver.policy import Action, Ended, Running, Timeouts, after_end, rollback_limit, while_running, workers_to_start
from cluster.monitoring.status import WorkerStatus

TIMEOUTS = Timeouts(start=180, peer=60, close=660)
FINE = WorkerStatus("training", step=100, seconds_since_heartbeat=0.5, seconds_since_step=1.0, step_seconds=1.0)
TWO = Running(workers=2, age=500, ranks={0: FINE, 1: FINE})
FIRST = replace(FINE, seconds_since_step=200, step_seconds=0)
COMPILING = replace(FINE, phase="compiling", step=0, seconds_since_step=900)


def ranks(first: WorkerStatus, second: WorkerStatus) -> Running:
    return replace(TWO, ranks={0: first, 1: second})


@pytest.mark.parametrize(
    ("status", "action", "reason"),
    [
        (TWO, Action.WAIT, ""),
        (replace(TWO, ranks={}, age=179), Action.WAIT, ""),
        (replace(TWO, ranks={}, age=181), Action.RESTART, "workers 0, 1 did not start within 180 s"),
        (replace(TWO, ranks={0: COMPILING}, age=181), Action.RESTART, "worker 1 did not start within 180 s"),
        (replace(TWO, ranks={0: COMPILING}, age=9, nodes_lost=True), Action.RESTART, "a node was lost before worker 1 started"),
        (replace(TWO, nodes_lost=True), Action.WAIT, ""),
        (ranks(COMPILING, COMPILING), Action.WAIT, ""),
        (ranks(COMPILING, replace(COMPILING, seconds_since_heartbeat=61)), Action.RESTART, "no heartbeat from worker 1 for 61 s"),
        (
            ranks(replace(FINE, seconds_since_step=61), replace(FINE, seconds_since_heartbeat=61, seconds_since_step=61)),
            Action.RESTART,
            "no heartbeat from worker 1 for 61 s",
        ),
        (ranks(replace(FINE, seconds_since_step=62), FINE), Action.WAIT, ""),
        (ranks(replace(FINE, seconds_since_step=64), replace(FINE, seconds_since_step=64)), Action.RESTART, "no step for 64 s"),
        (ranks(replace(FINE, seconds_since_step=200, step_seconds=50), FINE), Action.WAIT, ""),
        (replace(ranks(FIRST, FIRST), expected_step_seconds=50), Action.WAIT, ""),
        (replace(ranks(FIRST, FIRST), expected_step_seconds=40), Action.RESTART, "no step for 200 s"),
        (ranks(FIRST, FIRST), Action.RESTART, "no step for 200 s"),
        (
            ranks(replace(FINE, seconds_since_step=64), replace(FINE, seconds_since_step=64, waits_for_data=True)),
            Action.RESTART,
            "no step for 64 s, worker 1 waiting for data",
        ),
        (ranks(replace(FINE, phase="closing", seconds_since_step=99), FINE), Action.WAIT, ""),
        (
            ranks(replace(FINE, phase="closing", seconds_since_step=99, seconds_since_heartbeat=61), FINE),
            Action.RESTART,
            "no heartbeat from worker 0 for 61 s",
        ),
        (
            ranks(replace(FINE, phase="closing", seconds_since_step=661), FINE),
            Action.RESTART,
            "the last checkpoint was not saved within 660 s",
        ),
        (replace(TWO, signals=1), Action.SAVE_AND_STOP, "stopping: saving a checkpoint; press Ctrl-C again to exit immediately"),
        (replace(TWO, signals=1, asked_to_stop=True), Action.WAIT, ""),
        (replace(TWO, signals=2, asked_to_stop=True), Action.STOP, "exited before a checkpoint was saved"),
        (replace(ranks(COMPILING, COMPILING), signals=1), Action.STOP, "stopped before the first step"),
        (
            replace(ranks(replace(FINE, seconds_since_step=99), FINE), signals=1, asked_to_stop=True),
            Action.RESTART,
            "no step for 99 s",
        ),
        (replace(TWO, draining="10.0.0.2"), Action.SAVE_AND_MOVE, "node 10.0.0.2 is draining: saving a checkpoint and leaving it"),
        (
            replace(TWO, driver_draining=True, draining="10.0.0.1"),
            Action.SAVE_AND_STOP,
            "the node of this command is draining: saving a checkpoint and ending",
        ),
        (replace(TWO, driver_draining=True, asked_to_stop=True), Action.WAIT, ""),
        (replace(ranks(COMPILING, COMPILING), driver_draining=True), Action.STOP, "stopped before the first step"),
        (replace(TWO, draining="10.0.0.2", asked_to_stop=True), Action.WAIT, ""),
        (replace(TWO, larger=4, larger_for=29), Action.WAIT, ""),
        (replace(TWO, larger=4, larger_for=31), Action.SAVE_AND_MOVE, "nodes are back: saving a checkpoint and continuing with 4 workers"),
        (replace(ranks(COMPILING, COMPILING), larger=4, larger_for=31), Action.WAIT, ""),
        (replace(TWO, mismatch="worker 1 differs"), Action.RESTORE, "worker 1 differs"),
    ],
)
def test_a_running_attempt(status: Running, action: Action, reason: str) -> None:
    decision = while_running(status, TIMEOUTS)
    assert (decision.action, decision.reason) == (action, reason)


@pytest.mark.parametrize(
    ("ended", "action"),
    [
        (Ended("finished"), Action.END),
        (Ended("failed"), Action.END),
        (Ended("stopped", stopping=True), Action.END),
        (Ended("stopped", moved=True), Action.RESTART),
        (Ended("stopped", moved=True, stopping=True), Action.END),
        (Ended("lost"), Action.RESTART),
        (Ended("lost", stopping=True), Action.STOP),
        (Ended("lost", failures=11, attempts_without_progress=1), Action.GIVE_UP),
        (Ended("lost", failures=10, attempts_without_progress=4), Action.RESTART),
        (Ended("lost", failures=5, attempts_without_progress=5), Action.GIVE_UP),
        (Ended("diverged", rollbacks=2, failures=99), Action.ROLL_BACK),
        (Ended("diverged", rollbacks=3), Action.END),
    ],
)
def test_an_attempt_that_has_ended(ended: Ended, action: Action) -> None:
    assert after_end(ended, max_restarts=10).action is action


@pytest.mark.parametrize(
    ("fit", "waited", "workers"),
    [(9, 0, 8), (8, 0, 8), (7, 0, None), (7, 300, 4), (4, 300, 4), (3, 300, 2), (1, 299, None), (1, 300, 0)],
)
def test_how_many_workers(fit: int, waited: float, workers: int | None) -> None:
    assert workers_to_start(fit, [8, 4, 2], waited, node_timeout=300) == workers


@pytest.mark.parametrize(
    ("diverged_at", "resumed_step", "rollbacks", "before"),
    [(530, 500, 0, 530), (530, 500, 1, 500), (700, 500, 1, 700)],
)
def test_how_far_to_roll_back(diverged_at: int, resumed_step: int, rollbacks: int, before: int) -> None:
    assert rollback_limit(diverged_at, resumed_step, rollbacks, checkpoint_every=100) == before
