"""What all commands share: exit codes, and how a user's mistake is reported."""

import argparse
import sys
from collections.abc import Callable
from enum import IntEnum
from typing import NoReturn

from ringcycle.output import printable, say, tolerate_failing_output
from ringcycle.storage.location import redacted


class ExitCode(IntEnum):
    """Exit codes of the commands. STOPPED is EX_TEMPFAIL of sysexits.h: run the same command again to continue."""

    OK = 0
    FAILED = 1
    USAGE = 2
    STOPPED = 75
    INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """Reports a mistake without credentials and control characters, which arguments may hold: `*` gives any file's name."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the mistake; exit code 2."""
        super().error(printable(redacted(message)))


def run(main: Callable[[], int]) -> int:
    """Run a command as a process: output that fails does not end it. Returns its exit code."""
    tolerate_failing_output()
    return main()


def fail(error: object) -> None:
    """Print an error on standard error, in one line, without credentials."""
    say(f"error: {redacted(error)}", file=sys.stderr)


def duration(seconds: float) -> str:
    """As 1:02:03 or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
