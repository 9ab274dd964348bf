"""The board itself; as an actor it is part of each real run."""

from cluster.monitoring.status import Heartbeat, StatusBoard, WorkerInfo


def beat(phase: str, step: int = 0) -> Heartbeat:
    return Heartbeat(phase, step, 1.0, waits_for_data=False, pid=1, node="n")  # type: ignore[arg-type]


def test_silence_and_standstill_are_measured_on_the_boards_clock() -> None:
    now = 100.0
    board = StatusBoard(2, start=3, clock=lambda: now)
    board.beat(0, beat("training", 4))
    now = 107.0
    board.beat(0, beat("training", 4))
    now = 109.0
    news = board.read()
    assert news.start == 3
    assert (news.ranks[0].seconds_since_heartbeat, news.ranks[0].seconds_since_step) == (2.0, 9.0)
    assert 1 not in news.ranks


def test_phases_are_entered_when_the_last_worker_does() -> None:
    now = 0.0
    board = StatusBoard(2, clock=lambda: now)
    for at, rank, sign in [
        (1.0, 0, beat("compiling")),
        (3.0, 1, beat("compiling")),
        (4.0, 0, beat("compiling")),
        (5.0, 0, beat("training", 20)),
        (6.0, 1, beat("training", 20)),
        (7.0, 0, beat("training", 21)),
        (8.0, 0, beat("training", 22)),
    ]:
        now = at
        board.beat(rank, sign)
    assert board.read().entered == {"compiling": 3.0, "training": 6.0, "stepped": 7.0}


def test_workers_agree_on_the_step_they_go_on_from() -> None:
    board = StatusBoard(2)
    assert board.read().agreed == 0
    for rank in range(2):
        board.post(worker=(rank, WorkerInfo(1, "h", (0,), (2,), programs=4, hits=4, compile_seconds=0.0, step=40)))
        board.checksum(rank, 50, rank)
    assert (board.read().agreed, "step 50" in board.read().differ) == (40, True)
    for rank in range(2):
        board.checksum(rank, 60, 7)
    assert board.read().agreed == 60
