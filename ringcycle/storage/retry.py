"""Retries for object stores that fail temporarily."""

import logging
import re
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

Result = TypeVar("Result")

ATTEMPTS = 9  # about a minute in all, with the pauses below
REPORT_AFTER = 3.0  # seconds
# Permanent: nothing there, no access, wrong keys. Anything else (5xx, slow down, no connection, cut off) may be temporary.
_FINAL = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError)
_REFUSED = re.compile(r"ACCESS_DENIED|NO_SUCH_|INVALID_|SIGNATURE|PERMANENT_REDIRECT|PERMISSION_DENIED|HTTP status (301|400|401|403|404)\b")
log = logging.getLogger(__name__)


def with_retries(act: Callable[[], Result], what: str, attempts: int = ATTEMPTS, sleep: Callable[[float], object] = time.sleep) -> Result:
    """Return the result of `act`, retrying after a temporary OSError: at most `attempts` calls, with pauses of 0.25 s doubling to 30 s.

    what: names the request in the one warning that is logged once the retries have lasted longer than REPORT_AFTER seconds.
    Raises the last error that `act` raised.
    """
    reported = False

    def report(state: RetryCallState) -> None:
        nonlocal reported
        if not reported and state.idle_for > REPORT_AFTER and state.outcome is not None:
            reported = True
            fact = str(state.outcome.exception()).splitlines()[0]
            log.warning("%s has been failing for %.0f s (%s); retrying", what, state.idle_for, fact)

    retrying = Retrying(
        stop=stop_after_attempt(attempts),
        wait=wait_exponential_jitter(initial=0.25, max=30, jitter=0.25),
        retry=retry_if_exception(is_temporary),
        before_sleep=report,
        sleep=lambda seconds: (sleep(seconds), None)[1],
        reraise=True,
    )
    return retrying(act)


def is_temporary(error: BaseException) -> bool:
    """Whether another attempt may succeed."""
    return isinstance(error, OSError) and not isinstance(error, _FINAL) and not _REFUSED.search(str(error))
