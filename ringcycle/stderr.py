"""Silences what libraries print from C++, below Python, except for the line that says why they ended the process."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ringcycle.output import printable

log = logging.getLogger(__name__)

MAX_LINE = 300  # characters of a fatal line
_FATAL = re.compile(r"^F\d{4} |terminate called|what\(\):|Check failed|Segmentation fault|Illegal instruction|out of memory|\w+Error: ")
_ROUTINE = re.compile(r"[IWE]\d{4} ")  # TensorFlow's log lines that are not fatal


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hide what is written to file descriptor 2: C++ code writes there, whatever Python's sys.stderr is.

    C++ code may also end the process, for an unknown flag in XLA_FLAGS, say, where no handler in Python runs. Then a process that
    waits for this prints the fatal line. The first process of a container (1) takes all others along, so that one is not silenced. Nor
    is one that logs at the level debug.
    """
    if os.getpid() == 1 or log.isEnabledFor(logging.DEBUG):
        yield
        return
    saved, hidden = os.dup(2), os.memfd_create("stderr")
    watcher = _watch(hidden)
    os.dup2(hidden, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        watcher.kill()  # before its standard input ends, by which it knows that this process has died
        watcher.communicate()
        os.close(saved)
        os.close(hidden)


def fatal_line(output: str) -> str:
    """The last line that reads like the cause of a process's death, or ""."""
    lines = [line.strip() for line in output.splitlines() if _FATAL.search(line) and not _ROUTINE.match(line)]
    return printable(lines[-1])[:MAX_LINE] if lines else ""


def _watch(hidden: int) -> subprocess.Popen[bytes]:
    """Start `_report`. Its own session keeps Ctrl-C away from it; without site-packages it is ready sooner."""
    return subprocess.Popen(
        [sys.executable, "-S", "-P", "-m", __name__, str(hidden)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=[hidden],
        start_new_session=True,
    )


def _report(hidden: int) -> None:
    """Once the process at the other end of standard input is gone, print its fatal line."""
    sys.stdin.buffer.read()
    line = fatal_line(os.pread(hidden, os.fstat(hidden).st_size, 0).decode(errors="replace"))
    if line:
        os.write(2, f"error: native code ended this process: {line}\n".encode(errors="backslashreplace"))


if __name__ == "__main__":
    _report(int(sys.argv[1]))
