import threading
import time
from typing import Any

import numpy as np
import pytest

from cluster.monitoring.background import LONGEST, Background
from cluster.worker.hooks import StepInfo

SECONDS = 20.0


def moment(step: int) -> StepInfo:
    nothing: Any = None
    return StepInfo(step, step, {}, 0.0, 1.0, 0.0, np.zeros(0, np.uint8), nothing, nothing, False, False)


def test_hooks_run_in_order_and_drain_waits_for_them() -> None:
    background, seen = Background(pytest.fail), list[tuple[str, int]]()

    def slowly(moment: StepInfo) -> None:
        time.sleep(0.01)
        seen.append(("slow", moment.step))

    hooks = [background.later(slowly), background.later(lambda moment: seen.append(("quick", moment.step)))]
    for step in (1, 2, 3):
        for hook in hooks:
            hook(moment(step))
    assert background.drain()
    assert seen == [(name, step) for step in (1, 2, 3) for name in ("slow", "quick")]


def test_what_comes_meanwhile_is_not_waited_for() -> None:
    """Else storage slower than the steps would keep every checkpoint from being published."""
    background, gate = Background(pytest.fail), threading.Semaphore(0)
    hook = background.later(lambda moment: None if gate.acquire(timeout=SECONDS) else pytest.fail("time is up"))
    hook(moment(1))
    drained: list[bool] = []
    waiter = threading.Thread(target=lambda: drained.append(background.drain(SECONDS)))
    waiter.start()
    time.sleep(0.1)
    hook(moment(2))
    gate.release()
    waiter.join(SECONDS)
    assert drained == [True] and not background.drain(0.1)
    gate.release()
    assert background.drain(SECONDS)


def test_storage_that_hangs_costs_moments_and_no_time() -> None:
    said, seen, gate = list[str](), list[int](), threading.Event()
    background = Background(said.append)

    def hang(moment: StepInfo) -> None:
        gate.wait(SECONDS)
        seen.append(moment.step)

    hook = background.later(hang)
    begin = time.monotonic()
    for step in range(1, LONGEST + 10):
        hook(moment(step))
    assert not background.drain(0.1)
    assert time.monotonic() - begin < 5
    assert len(said) == 1 and said[0].endswith("are lost")
    gate.set()
    assert background.drain(SECONDS)
    assert seen == list(range(1, len(seen) + 1)) and LONGEST <= len(seen) <= LONGEST + 1


def test_an_error_reaches_the_training() -> None:
    background = Background(pytest.fail)
    hook = background.later(lambda moment: {}[moment.step])
    hook(moment(1))
    background.drain()
    with pytest.raises(KeyError):
        hook(moment(2))
