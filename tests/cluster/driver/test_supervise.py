"""Every path of a restart, with attempts that follow scripts and a clock that jumps."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from cluster.driver.policy import MAX_ATTEMPTS_WITHOUT_PROGRESS
from cluster.driver.supervise import State
from cluster.monitoring.status import Outcome
from cyclegan.checkpoint_files.folders import checkpoints
from cyclegan.checkpoint_files.names import ASIDE, step_of
from tests.cluster.driver.fakes import FakeAttempt, Script, World, dies, hangs, trains


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the user reads."""
    caplog.set_level(logging.INFO)
    return caplog


def resumed(world: World) -> list[int]:
    return [attempt.resumed for attempt in world.attempts]


def test_an_undisturbed_run_is_one_attempt(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path, [trains(30)])
    report = world.run()
    assert (report.status.outcome, report.temporary) == (Outcome("finished", 30), False)
    assert world.state is State.DONE and world.attempts[0].ended
    assert logged.messages == []
    assert json.loads((tmp_path / "goodput.json").read_text())["attempts"] == 1


def test_a_lost_worker_restarts_the_group_from_the_newest_checkpoint(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path, [trains(25, end="lost", reason="worker 1 died"), trains(40)])
    report = world.run()
    assert report.status.outcome == Outcome("finished", 40)
    assert resumed(world) == [0, 20]
    assert logged.messages[0] == "restarting the workers: worker 1 died"
    assert logged.messages[1].startswith("recovered in ") and logged.messages[1].endswith("; 5 steps to repeat")
    assert len(logged.messages) == 2
    assert (report.goodput.attempts, report.goodput.repeated_steps) == (2, 5)
    assert report.status.seconds["train"] == 25 + 20, "of all attempts"


def test_a_hung_worker_is_ended_and_the_group_restarted(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path, [hangs(at=12), trains(20)], ("--cluster.peer_timeout", "15"))
    report = world.run()
    assert report.status.outcome == Outcome("finished", 20)
    assert resumed(world) == [0, 10]
    assert all(attempt.ended for attempt in world.attempts)
    assert logged.messages[0] == "restarting the workers: no heartbeat from worker 0 for 16 s"
    assert report.goodput.recoveries[0].parts["detect"] == 16


def test_attempts_without_progress_are_given_up_with_the_reason(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path, [dies("worker 1 died")] * 99)
    report = world.run()
    outcome = report.status.outcome
    assert outcome is not None and (outcome.kind, report.temporary) == ("failed", False)
    count = MAX_ATTEMPTS_WITHOUT_PROGRESS
    assert outcome.reason.startswith(f"{count} consecutive attempts made no progress; the last failure: worker 1 died (details in ")
    assert outcome.reason.endswith("failure.txt)")
    assert len(world.attempts) == count + 1, "the first one is not without progress"


def test_restarts_are_used_up_even_with_progress(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    scripts = [trains(10 * n + 5, end="lost", reason=f"worker {n} died") for n in range(1, 9)]
    world = World(tmp_path, scripts, ("--cluster.max_restarts", "2"))
    report = world.run()
    outcome = report.status.outcome
    assert outcome is not None and outcome.kind == "failed"
    assert outcome.reason.startswith("cluster.max_restarts = 2 is used up; the last failure: worker 3 died")
    assert (outcome.step, outcome.checkpoint) == (35, str(tmp_path / "checkpoints/step-00000030"))


def test_divergence_is_rolled_back_three_times_at_half_the_rate(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    scripts = [trains(at + 4, end="diverged", reason="G_AB = nan", diverged_at=at) for at in (47, 43, 33, 45)]
    world = World(tmp_path, scripts, ("--train.learning_rate", "0.0008"))
    report = world.run()
    assert report.status.outcome is not None and report.status.outcome.kind == "diverged"
    assert [attempt.job.rate for attempt in world.attempts] == [1.0, 0.5, 0.25, 0.125]
    assert resumed(world) == [0, 40, 30, 20], "a checkpoint that was rolled back to and diverged soon is suspect itself"
    assert logged.messages[0] == (
        "the steps from 47 on have no effect (G_AB = nan): rolling back to the checkpoint of step 40, "
        "continuing as with train.learning_rate = 0.0004"
    )
    assert [message.rpartition(" = ")[2] for message in logged.messages if "rolling back" in message] == ["0.0004", "0.0002", "0.0001"]


def test_a_diverged_launch_leaves_its_last_good_checkpoint_as_the_newest(tmp_path: Path) -> None:
    """Rolled back to 40, 30, 20; then it diverges at once, after a checkpoint of steps without effect."""

    def diverges_after_saving(attempt: FakeAttempt) -> Iterator[None]:
        attempt.report("training", 31)
        attempt.world.save(24)
        yield
        attempt.report("training", 31, outcome=Outcome("diverged", 31, str(tmp_path), "G_AB = nan", diverged_at=22))

    scripts = [trains(at + 4, end="diverged", reason="G_AB = nan", diverged_at=at) for at in (47, 43, 33)]
    report = World(tmp_path, [*scripts, diverges_after_saving]).run()
    assert (report.rate, report.rollbacks) == (0.125, 3)
    assert report.status.outcome == Outcome("diverged", 31, str(tmp_path / "checkpoints/step-00000010"), "G_AB = nan", diverged_at=22)
    assert [step_of(folder) for folder in checkpoints(tmp_path / "checkpoints")] == [10]


def test_a_divergence_during_a_stop_leaves_a_good_checkpoint(tmp_path: Path) -> None:
    def diverges(attempt: FakeAttempt) -> Iterator[None]:
        for step in (10, 20):
            attempt.world.save(step)
        attempt.report("training", 21)
        while not attempt.asked_to_stop:
            yield
        attempt.report("closing", 21, outcome=Outcome("diverged", 21, "", "G_AB = nan", diverged_at=16))

    report = World(tmp_path, [diverges], signals_at=(3.0,)).run()
    outcome = report.status.outcome
    assert outcome is not None and (outcome.kind, outcome.checkpoint) == ("stopped", str(tmp_path / "checkpoints/step-00000010"))


def test_rollbacks_are_neither_failures_nor_without_progress(tmp_path: Path) -> None:
    world = World(tmp_path, [trains(9, end="diverged", diverged_at=5), trains(20)], ("--cluster.max_restarts", "0"))
    assert world.run().status.outcome == Outcome("finished", 20)
    assert resumed(world) == [0, 0]


def test_unequal_weights_are_restored_from_the_last_verified_checkpoint(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    def flips(attempt: FakeAttempt) -> Iterator[None]:
        for step in range(1, 26):
            attempt.report("training", step)
            if step % 10 == 0:
                attempt.world.save(step)
            yield
        attempt.report("training", 26, mismatch="the weights of worker 1 differ")
        attempt._status.verified_step = 12
        yield

    world = World(tmp_path, [flips, trains(30)])
    assert world.run().status.outcome == Outcome("finished", 30)
    assert resumed(world) == [0, 10], "the checkpoint of step 20 is not verified"
    assert logged.messages[0] == "the weights of worker 1 differ: rolling back to the checkpoint of step 10"
    assert [step_of(folder) for folder in checkpoints(tmp_path / "checkpoints", ASIDE)] == [20]


def disagrees_at_the_end(kind: Literal["finished", "stopped"]) -> Script:
    """Trains to step 30, or until it is asked to stop; the checksums of the last step, which is saved, differ. Verified up to 20."""

    def script(attempt: FakeAttempt) -> Iterator[None]:
        step = 0
        while step < 30 and not attempt.asked_to_stop:
            step += 1
            attempt.report("training", step)
            if step % 10 == 0:
                attempt.world.save(step)
            yield
        attempt.world.save(step)
        attempt.report("closing", step, outcome=Outcome(kind, step), mismatch="the weights of worker 1 differ")
        attempt._status.verified_step = min(step - 1, 20)

    return script


def test_unequal_weights_at_the_last_step_are_found(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path, [disagrees_at_the_end("finished"), trains(30)])
    assert world.run().status.outcome == Outcome("finished", 30)
    assert resumed(world) == [0, 20]
    assert logged.messages[0] == "the weights of worker 1 differ: rolling back to the checkpoint of step 20"


def test_unequal_weights_at_a_move_are_found(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    options = ("--cluster.workers", "[1,2]", "--cluster.node_timeout", "5")
    world = World(tmp_path, [disagrees_at_the_end("stopped"), trains(30)], options, rooms={0.0: 2, 12.0: 1}, drains_at=12.0)
    assert world.run().status.outcome == Outcome("finished", 30)
    assert resumed(world) == [0, 10]
    assert "the weights of worker 1 differ: rolling back to the checkpoint of step 10" in logged.messages


def test_unequal_weights_at_a_stop_are_not_resumed_from(tmp_path: Path) -> None:
    world = World(tmp_path, [disagrees_at_the_end("stopped")], signals_at=(13.0,))
    outcome = world.run().status.outcome
    assert outcome is not None and (outcome.kind, outcome.checkpoint) == ("stopped", str(tmp_path / "checkpoints/step-00000010"))
    assert world.newest_step() == 10


def test_unequal_weights_at_every_end_are_given_up_without_a_bad_checkpoint(tmp_path: Path) -> None:
    world = World(tmp_path, [disagrees_at_the_end("finished")] * 99)
    outcome = world.run().status.outcome
    assert outcome is not None and outcome.kind == "failed"
    assert "the weights of worker 1 differ" in outcome.reason
    assert world.newest_step() == 20


def test_a_draining_node_is_left_after_a_checkpoint(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    options = ("--cluster.workers", "[1,2]", "--cluster.node_timeout", "5", "--cluster.max_restarts", "0")
    world = World(tmp_path, [trains(100), trains(30)], options, rooms={0.0: 2, 12.0: 1}, drains_at=12.0)
    report = world.run()
    assert report.status.outcome == Outcome("finished", 30)
    assert [attempt.workers for attempt in world.attempts] == [2, 1]
    assert report.goodput.repeated_steps == 0 and "moved" in report.goodput.lost
    assert logged.messages[0] == "node 10.0.0.2 is draining: saving a checkpoint and leaving it"
    assert any(message == "continuing with 1 of 2 workers: the nodes have room for 1" for message in logged.messages)


def test_fewer_workers_and_more_again(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    """A node is lost; after node_timeout one worker continues alone. Once the node has been back for a while, the group grows."""
    options = ("--cluster.workers", "[1,2]", "--cluster.node_timeout", "20")
    lost = trains(15, end="lost", reason="worker 1 died")
    world = World(tmp_path, [lost, trains(999), trains(80)], options, rooms={0.0: 2, 14.0: 1, 60.0: 2})
    report = world.run()
    assert report.status.outcome == Outcome("finished", 80)
    assert [attempt.workers for attempt in world.attempts] == [2, 1, 2]
    messages = [message for message in logged.messages if not message.startswith("recovered")]
    assert messages[:2] == ["restarting the workers: worker 1 died", "continuing with 1 of 2 workers: the nodes have room for 1"]
    assert messages[2] == "nodes are back: saving a checkpoint and continuing with 2 workers"
    assert len(messages) == 3
    assert "waiting for nodes: room for 1 of 2 workers" in world.phases
    assert resumed(world)[2] > resumed(world)[1] == 10
    assert report.goodput.recoveries[1].repeated_steps == 0, "a move repeats nothing"


def test_the_first_step_after_a_shrink_has_patience_for_its_larger_batch(tmp_path: Path) -> None:
    """Steps of two workers take 20 s; one worker's first step takes 160 s, beyond cluster.peer_timeout, though not 60 + 3 × 40 s."""

    def lost(attempt: FakeAttempt) -> Iterator[None]:
        for step in range(1, 15):
            attempt.report("training", step)
            attempt.slow(step_seconds=20, since_step=5)
            yield
        attempt.error = "worker 1 died"

    def slow_at_first(attempt: FakeAttempt) -> Iterator[None]:
        for seconds in range(160):
            attempt.report("training", 0)
            attempt.slow(step_seconds=0, since_step=seconds)
            yield
        yield from trains(20)(attempt)

    options = ("--cluster.workers", "[1,2]", "--cluster.node_timeout", "5")
    world = World(tmp_path, [lost, slow_at_first], options, rooms={0.0: 2, 12.0: 1})
    assert world.run().status.outcome == Outcome("finished", 20)
    assert [attempt.workers for attempt in world.attempts] == [2, 1]


def test_too_few_nodes_end_the_launch_for_now(tmp_path: Path) -> None:
    options = ("--cluster.node_timeout", "20")
    world = World(tmp_path, [trains(15, end="lost", reason="worker 1 died")], options, rooms={0.0: 2, 14.0: 1})
    report = world.run()
    assert report.temporary
    assert report.status.outcome == Outcome(
        "failed",
        15,
        str(tmp_path / "checkpoints/step-00000010"),
        "cluster.workers = 2, but the nodes have only had room for 1 for 20 s (cluster.node_timeout): add nodes, or allow fewer workers",
    )


def test_the_first_signal_saves_and_stops(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path, [trains(100)], signals_at=(13.0,))
    report = world.run()
    assert report.status.outcome is not None
    assert (report.status.outcome.kind, report.temporary) == ("stopped", False)
    assert world.newest_step() == report.status.outcome.step >= 13
    assert logged.messages == ["stopping: saving a checkpoint; press Ctrl-C again to exit immediately"]


def test_the_second_signal_exits_immediately(tmp_path: Path) -> None:
    def ignores_the_first(attempt: FakeAttempt) -> Iterator[None]:
        for step in range(1, 100):
            attempt.report("training", step)
            yield

    world = World(tmp_path, [ignores_the_first], signals_at=(13.0, 15.0))
    report = world.run()
    assert report.status.outcome == Outcome("failed", 15, "", "exited before a checkpoint was saved")
    assert world.now < 17 and world.attempts[0].ended


def test_a_signal_before_the_first_step_stops_at_once(tmp_path: Path) -> None:
    def compiles(attempt: FakeAttempt) -> Iterator[None]:
        while True:
            attempt.report("compiling", 0)
            yield

    world = World(tmp_path, [compiles], signals_at=(3.0,))
    assert world.run().status.outcome == Outcome("stopped", 0, "", "stopped before the first step")
    assert world.attempts[0].ended and not world.attempts[0].asked_to_stop


def test_the_drivers_own_node_draining_is_a_stop(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path, [trains(100)], ("--cluster.workers", "[1,2]"), drains_at=13.0, driver_drains_at=13.0)
    report = world.run()
    outcome = report.status.outcome
    assert outcome is not None and outcome.kind == "stopped"
    assert world.newest_step() == outcome.step >= 13
    assert world.now < 17 and world.attempts[0].ended, "it does not wait for the end of the drain"
    assert logged.messages == ["the node of this command is draining: saving a checkpoint and ending"]


def test_the_drivers_own_node_draining_while_workers_start_or_are_awaited(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    waiting = World(tmp_path / "one", [], rooms={0.0: 0}, driver_drains_at=3.0)
    assert waiting.run().status.outcome == Outcome("stopped", 0) and waiting.now < 5
    (tmp_path / "two").mkdir()
    starting = World(tmp_path / "two", [dies()], driver_drains_at=0.5)
    assert starting.run().status.outcome == Outcome("stopped", 0, "", "stopped before the first step") or not starting.attempts


def test_a_run_that_was_taken_over_is_left_alone(tmp_path: Path) -> None:
    world = World(tmp_path, [trains(100)], taken_over_at=13.0)
    report = world.run()
    newest = str(tmp_path / "checkpoints/step-00000010")
    assert report.status.outcome == Outcome("failed", 0, newest, "run default was taken over by another process")
    assert not report.temporary and world.attempts[0].ended and world.now < 15
    assert not (tmp_path / "goodput.json").exists()


def test_a_run_that_was_taken_over_while_waiting_for_nodes(tmp_path: Path) -> None:
    outcome = World(tmp_path, [], rooms={0.0: 0}, taken_over_at=3.0).run().status.outcome
    assert outcome == Outcome("failed", 0, "", "run default was taken over by another process")


def test_a_signal_while_waiting_for_nodes(tmp_path: Path) -> None:
    world = World(tmp_path, [], rooms={0.0: 0}, signals_at=(3.0,))
    report = world.run()
    assert report.status.outcome == Outcome("stopped", 0)
    assert report.temporary and not world.attempts


def test_workers_lost_while_stopping(tmp_path: Path) -> None:
    def stops_badly(attempt: FakeAttempt) -> Iterator[None]:
        step = 0
        while not attempt.asked_to_stop:
            step += 1
            attempt.report("training", step)
            yield
        attempt.error = "worker 0 died"

    report = World(tmp_path, [stops_badly], signals_at=(5.0,)).run()
    assert report.status.outcome is not None
    assert (report.status.outcome.kind, report.status.outcome.reason) == ("stopped", "the workers were lost while they were stopping")


def test_the_head_is_lost(tmp_path: Path) -> None:
    world = World(tmp_path, [trains(100)], head_until=25.0)
    report = world.run()
    assert report.temporary and not world.attempts[0].ended, "without a head nothing can be ended"
    outcome = report.status.outcome
    assert outcome is not None and (outcome.kind, outcome.step) == ("failed", 25)
    assert outcome.reason == "the head of the Ray cluster does not answer: start it, then run the same command again"
    assert outcome.checkpoint.endswith("step-00000020")


def test_a_lost_board_restarts_the_group(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    def loses_the_board(attempt: FakeAttempt) -> Iterator[None]:
        for step in range(1, 10):
            attempt.report("training", step)
            yield
        attempt.world.board_lost = True
        yield

    def returns(attempt: FakeAttempt) -> Iterator[None]:
        attempt.world.board_lost = False
        return trains(20)(attempt)

    world = World(tmp_path, [loses_the_board, returns])
    assert world.run().status.outcome == Outcome("finished", 20)
    assert logged.messages[0] == "restarting the workers: the status board is lost (killed)"


def test_a_failed_outcome_ends_the_launch(tmp_path: Path) -> None:
    world = World(tmp_path, [trains(5, end="failed", reason="train.batch = 9, but …")])
    report = world.run()
    assert report.status.outcome == Outcome("failed", 5, reason="train.batch = 9, but …")
    assert not report.temporary and world.attempts[0].ended


def test_processes_that_do_not_end_after_the_outcome_are_ended(tmp_path: Path) -> None:
    def lingers(attempt: FakeAttempt) -> Iterator[None]:
        while True:
            attempt.report("closing", 5, outcome=Outcome("finished", 5))
            yield

    world = World(tmp_path, [lingers], ("--cluster.peer_timeout", "15"))
    assert world.run().status.outcome == Outcome("finished", 5)
    assert world.attempts[0].ended and 15 <= world.now <= 18


def test_workers_that_exit_without_an_error_are_restarted(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path, [trains(5, end="lost"), trains(20)])
    assert world.run().status.outcome == Outcome("finished", 20)
    assert logged.messages[0] == "restarting the workers: workers exited without an error"
