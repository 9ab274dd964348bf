"""The status board itself; as an actor it is part of each real run."""

from cluster.monitoring.status import FIRST_STEP, Heartbeat, Outcome, Phase, Progress, StatusBoard, WorkerInfo


def heartbeat(phase: Phase, step: int = 0) -> Heartbeat:
    return Heartbeat(phase, step, 1.0, waits_for_data=False, pid=1, node="n")


def test_heartbeats_and_steps_are_timed_by_the_clock_of_the_board() -> None:
    now = 100.0
    board = StatusBoard(2, attempt=3, clock=lambda: now)
    board.heartbeat(0, heartbeat("training", 4))
    now = 107.0
    board.heartbeat(0, heartbeat("training", 4))
    now = 109.0
    status = board.read()
    assert status.attempt == 3
    assert (status.ranks[0].seconds_since_heartbeat, status.ranks[0].seconds_since_step) == (2.0, 9.0)
    assert 1 not in status.ranks


def test_a_phase_is_entered_when_the_last_worker_enters_it() -> None:
    now = 0.0
    board = StatusBoard(2, clock=lambda: now)
    for at, rank, sent in [
        (1.0, 0, heartbeat("compiling")),
        (3.0, 1, heartbeat("compiling")),
        (4.0, 0, heartbeat("compiling")),
        (5.0, 0, heartbeat("training", 20)),
        (6.0, 1, heartbeat("training", 20)),
        (7.0, 0, heartbeat("training", 21)),
        (8.0, 0, heartbeat("training", 22)),
    ]:
        now = at
        board.heartbeat(rank, sent)
    assert board.read().entered == {"compiling": 3.0, "training": 6.0, FIRST_STEP: 7.0}


def test_the_weights_are_verified_at_the_step_that_all_resume_from() -> None:
    board = StatusBoard(2)
    assert board.read().verified_step == 0
    for rank in range(2):
        board.set_worker(rank, WorkerInfo(1, "h", (0,), (2,), programs=4, hits=4, compile_seconds=0.0, step=40))
        board.checksum(rank, 50, rank)
    assert (board.read().verified_step, "step 50" in board.read().mismatch) == (40, True)
    for rank in range(2):
        board.checksum(rank, 60, 7)
    assert board.read().verified_step == 60


def test_what_the_workers_report() -> None:
    board, progress = StatusBoard(1), Progress(7, 9, {}, 1.0, 0.0, 2.0, 0.5)
    board.add_line("one")
    board.add_line("two")
    board.set_phase("compiling")
    assert (board.read().lines, board.read().phase) == (["one", "two"], "compiling")
    assert not board.set_progress(progress, 1.5)
    board.ask_to_stop()
    assert board.set_progress(progress, 2.0)
    board.set_outcome(Outcome("stopped", 7))
    status = board.read()
    assert (status.phase, status.progress, status.outcome) == ("training", progress, Outcome("stopped", 7))
    assert status.seconds == {"train": 3.5}
