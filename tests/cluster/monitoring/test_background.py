import threading
import time

import pytest

from cluster.monitoring.background import MAX_WAITING, Background
from cluster.monitoring.step_info import StepInfo
from tests.cluster.monitoring.test_step_info import step_info

SECONDS = 20.0


def test_hooks_run_in_order_and_drain_waits_for_them() -> None:
    background, seen = Background(), list[tuple[str, int]]()

    def slowly(info: StepInfo) -> None:
        time.sleep(0.01)
        seen.append(("slow", info.step))

    hooks = [background.later(slowly), background.later(lambda info: seen.append(("quick", info.step)))]
    for step in (1, 2, 3):
        for hook in hooks:
            hook(step_info(step))
    assert background.drain()
    assert seen == [(name, step) for step in (1, 2, 3) for name in ("slow", "quick")]


def test_drain_does_not_wait_for_later_hooks() -> None:
    """Otherwise storage slower than the steps would delay every checkpoint forever."""
    background, gate = Background(), threading.Semaphore(0)
    hook = background.later(lambda info: None if gate.acquire(timeout=SECONDS) else pytest.fail("time is up"))
    hook(step_info(1))
    drained: list[bool] = []
    waiter = threading.Thread(target=lambda: drained.append(background.drain(SECONDS)))
    waiter.start()
    time.sleep(0.1)
    hook(step_info(2))
    gate.release()
    waiter.join(SECONDS)
    assert drained == [True] and not background.drain(0.1)
    gate.release()
    assert background.drain(SECONDS)


def test_hanging_storage_costs_entries_but_no_time(caplog: pytest.LogCaptureFixture) -> None:
    seen, running, gate = list[int](), threading.Event(), threading.Event()
    background = Background()

    def hang(info: StepInfo) -> None:
        running.set()
        gate.wait(SECONDS)
        seen.append(info.step)

    hook = background.later(hang)
    hook(step_info(1))
    assert running.wait(SECONDS)
    begin = time.monotonic()
    for step in range(2, MAX_WAITING + 10):
        hook(step_info(step))
    assert not background.drain(0.1)
    assert time.monotonic() - begin < 5
    first = MAX_WAITING + 2  # after the one that runs and those that wait
    assert caplog.messages == [f"the storage is too slow for the metrics and samples: dropped those of step {first}"]
    gate.set()
    assert background.drain(SECONDS)
    assert seen == list(range(1, first))


def test_an_error_reaches_the_training() -> None:
    background = Background()
    hook = background.later(lambda info: {}[info.step])
    hook(step_info(1))
    background.drain()
    with pytest.raises(KeyError):
        hook(step_info(2))
