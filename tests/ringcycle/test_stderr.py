"""What is printed inside is silenced, even if written to the file descriptor, unless it says why the process died."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ringcycle.logs import send_lines
from ringcycle.stderr import MAX_LINE, fatal_line, quiet_stderr

ROOT = Path(__file__).parents[2]
TENSORFLOW = """:actor_name:RayTrainWorker
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
E0000 00:00:1795663872.757061   16024 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: out of memory
INFO:tensorflow:Using MirroredStrategy with devices ('/device:CPU:0',)
"""
FLAG = "F0000 00:00:1795663881.447241   16032 parse_flags_from_env.cc:234] Unknown flag in XLA_FLAGS: --xla_no_such_flag=1"
DIES = f"""
import os
from ringcycle.logs import send_lines
from ringcycle.stderr import quiet_stderr
with quiet_stderr():
    os.write(2, {(TENSORFLOW + FLAG).encode()!r})
    os.{{}}
"""


def test_output_inside_is_silenced(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"before ")
    with quiet_stderr():
        os.write(2, b"hidden: out of memory ")
        assert len(psutil.Process().children()) == 1
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"
    assert psutil.Process().children() == []


def test_nothing_is_silenced_at_the_level_debug(capfd: pytest.CaptureFixture[str]) -> None:
    send_lines(lambda line: None, logging.DEBUG)
    with quiet_stderr():
        os.write(2, b"TensorFlow's own")
    assert capfd.readouterr().err == "TensorFlow's own"


def test_an_exception_passes_through(capfd: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(ImportError), quiet_stderr():
        os.write(2, FLAG.encode())
        raise ImportError
    assert capfd.readouterr().err == ""


def dies(by: str, *prefix: str) -> subprocess.CompletedProcess[str]:
    """A process that ends inside, where Python has no word in it. prefix: of its command."""
    command = [*prefix, sys.executable, "-c", DIES.format(by)]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(("by", "code"), [("_exit(1)", 1), ("abort()", -signal.SIGABRT)])
def test_the_cause_of_a_death_is_printed(by: str, code: int) -> None:
    done = dies(by)
    assert done.returncode == code
    assert done.stderr == f"error: native code ended this process: {FLAG}\n"


def test_a_container_s_first_process_is_not_silenced() -> None:
    """All other processes end with it, a watcher too."""
    first = ["unshare", "--pid", "--fork", "--user", "--map-root-user"]
    if subprocess.run([*first, "true"], capture_output=True).returncode:
        pytest.skip("this system makes no namespaces")
    done = dies("_exit(1)", *first)
    assert done.returncode == 1
    assert done.stderr == TENSORFLOW + FLAG


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("", ""),
        (TENSORFLOW, ""),
        (TENSORFLOW + FLAG + "\n", FLAG),
        (
            TENSORFLOW + "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
            "what():  std::bad_alloc",
        ),
        ("Traceback (most recent call last):\nValueError: \x1b[2Jbad\n", "ValueError: \\x1b[2Jbad"),
        ("F0000 " + "x" * 1000, ("F0000 " + "x" * 1000)[:MAX_LINE]),
    ],
)
def test_the_fatal_line_is_found(output: str, line: str) -> None:
    assert fatal_line(output) == line
