"""Which failures are tried again, how often, and what is said of it."""

import logging

import pytest

from ringcycle.storage.retry import ATTEMPTS, may_pass, persistently


class Failing:
    """Fails a number of times, then answers."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.left, self.calls = error, times, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return "answer"


@pytest.mark.parametrize("times", [0, 1, ATTEMPTS - 1])
def test_survives_failures_with_growing_pauses(times: int) -> None:
    pauses: list[float] = []
    act = Failing(OSError("AWS Error SLOW_DOWN"), times)
    assert persistently(act, "s3://b/x", sleep=pauses.append) == "answer"
    assert act.calls == times + 1 and len(pauses) == times
    assert all(0.25 * 2**n <= pause <= 0.25 * 2**n + 0.25 or pause == 30 for n, pause in enumerate(pauses))
    assert sum(pauses) < 90


def test_gives_up_with_the_last_error() -> None:
    act = Failing(OSError("AWS Error NETWORK_CONNECTION"), 99)
    with pytest.raises(OSError, match="NETWORK_CONNECTION"):
        persistently(act, "s3://b/x", attempts=4, sleep=lambda _: None)
    assert act.calls == 4


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("no such key"),
        PermissionError("no"),
        OSError("AWS Error ACCESS_DENIED during GetObject operation: Access Denied"),
        OSError("AWS Error NO_SUCH_BUCKET during ListObjectsV2 operation"),
        OSError("AWS Error UNKNOWN (HTTP status 403) during HeadObject operation: No response body."),
        ValueError("not a failure of the network"),
    ],
)
def test_what_no_attempt_mends_is_raised_at_once(error: Exception) -> None:
    act = Failing(error, 99)
    with pytest.raises(type(error)):
        persistently(act, "s3://b/x", sleep=lambda _: None)
    assert act.calls == 1


def test_what_may_pass() -> None:
    assert may_pass(OSError("AWS Error UNKNOWN (HTTP status 503) during PutObject operation: told to fail"))
    assert may_pass(OSError("AWS Error UNKNOWN (HTTP status 500)")) and may_pass(ConnectionResetError("reset"))


def test_one_line_is_said_when_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        persistently(Failing(OSError("AWS Error SLOW_DOWN\nmore"), 3), "s3://b/x", sleep=lambda _: None)
        assert caplog.messages == []
        persistently(Failing(OSError("AWS Error SLOW_DOWN\nmore"), 8), "s3://b/x", sleep=lambda _: None)
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("s3://b/x fails since ") and caplog.messages[0].endswith("(AWS Error SLOW_DOWN): trying again")
