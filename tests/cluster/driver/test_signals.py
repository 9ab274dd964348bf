import os
import signal

import pytest

from cluster.driver.signals import StopSignals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_counted_and_handed_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopSignals() as signals:
        assert signals.count == 0
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert signals.count == 2
    assert signal.getsignal(number) is before


def test_a_blocked_interrupt_comes_through() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # as in a job that Ray submitted
    try:
        with StopSignals() as signals:
            os.kill(os.getpid(), signal.SIGINT)
            assert signals.count == 1
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
