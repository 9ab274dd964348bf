"""Requests to an object store, tried again when it fails for a moment."""

import logging
import re
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

Answer = TypeVar("Answer")

ATTEMPTS = 9  # with the pauses below about a minute in all
SAY_AFTER = 3.0  # seconds
# What no second attempt mends: nothing there, not allowed, wrong keys. Everything else (5xx, slow down, no connection, cut off) may pass.
_FINAL = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError)
_REFUSED = re.compile(r"ACCESS_DENIED|NO_SUCH_|INVALID_|SIGNATURE|PERMANENT_REDIRECT|PERMISSION_DENIED|HTTP status (301|400|401|403|404)\b")
_log = logging.getLogger(__name__)


def persistently(act: Callable[[], Answer], what: str, attempts: int = ATTEMPTS, sleep: Callable[[float], object] = time.sleep) -> Answer:
    """The answer of `act`, asked again after an OSError that may pass, at most `attempts` times, with pauses of 0.25 s doubling to 30 s.

    what: names the request in the one line that is logged, as a warning, once retries last longer than SAY_AFTER seconds.
    Raises what `act` raised last.
    """
    said = False

    def say(state: RetryCallState) -> None:
        nonlocal said
        if not said and state.idle_for > SAY_AFTER and state.outcome is not None:
            said = True
            fact = str(state.outcome.exception()).splitlines()[0]
            _log.warning("%s fails since %.0f s (%s): trying again", what, state.idle_for, fact)

    retrying = Retrying(
        stop=stop_after_attempt(attempts),
        wait=wait_exponential_jitter(initial=0.25, max=30, jitter=0.25),
        retry=retry_if_exception(may_pass),
        before_sleep=say,
        sleep=lambda seconds: (sleep(seconds), None)[1],
        reraise=True,
    )
    return retrying(act)


def may_pass(error: BaseException) -> bool:
    """Whether another attempt may succeed."""
    return isinstance(error, OSError) and not isinstance(error, _FINAL) and not _REFUSED.search(str(error))
