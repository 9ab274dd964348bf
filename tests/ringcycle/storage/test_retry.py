"""Which failures are retried, how often, and what is logged."""

import logging
import re

import pytest

from ringcycle.storage.retry import ATTEMPTS, is_temporary, with_retries


class Failing:
    """Fails a number of times, then succeeds."""

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
    assert with_retries(act, "s3://b/x", sleep=pauses.append) == "answer"
    assert act.calls == times + 1 and len(pauses) == times
    assert all(0.25 * 2**n <= pause <= 0.25 * 2**n + 0.25 or pause == 30 for n, pause in enumerate(pauses))
    assert sum(pauses) < 90


def test_gives_up_with_the_last_error() -> None:
    act = Failing(OSError("AWS Error NETWORK_CONNECTION"), 99)
    with pytest.raises(OSError, match="NETWORK_CONNECTION"):
        with_retries(act, "s3://b/x", attempts=4, sleep=lambda _: None)
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
def test_a_permanent_error_is_raised_at_once(error: Exception) -> None:
    act = Failing(error, 99)
    with pytest.raises(type(error)):
        with_retries(act, "s3://b/x", sleep=lambda _: None)
    assert act.calls == 1


def test_temporary_errors() -> None:
    assert is_temporary(OSError("AWS Error UNKNOWN (HTTP status 503) during PutObject operation: failing on purpose"))
    assert is_temporary(OSError("AWS Error UNKNOWN (HTTP status 500)")) and is_temporary(ConnectionResetError("reset"))


def test_lasting_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        with_retries(Failing(OSError("AWS Error SLOW_DOWN\nmore"), 3), "s3://b/x", sleep=lambda _: None)
        assert caplog.messages == []
        with_retries(Failing(OSError("AWS Error SLOW_DOWN\nmore"), 8), "s3://b/x", sleep=lambda _: None)
    assert len(caplog.messages) == 1
    assert re.fullmatch(r"s3://b/x has been failing for \d+ s \(AWS Error SLOW_DOWN\); retrying", caplog.messages[0])
