import os
import signal
from collections.abc import Iterator

import pytest

from cluster.driver.signals import StopSignals


@pytest.fixture(autouse=True)
def _without_nohup() -> Iterator[None]:
    """Tests may themselves run under nohup, which ignores SIGHUP for all that it starts."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_are_counted_and_handed_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    times = iter([100.0, 102.0])
    with StopSignals(lambda: next(times)) as signals:
        assert signals.count == 0
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert signals.count == 2
    assert signal.getsignal(number) is before


def test_signals_within_a_second_are_one_stop() -> None:
    times = iter([100.0, 100.0, 100.9, 101.1])
    with StopSignals(lambda: next(times)) as signals:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
        assert signals.count == 1
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.count == 2


def test_nohup_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.count == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_blocked_interrupt_comes_through() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # as in a job that Ray submitted
    try:
        with StopSignals() as signals:
            os.kill(os.getpid(), signal.SIGINT)
            assert signals.count == 1
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
