"""A Ray cluster that `ray start` started on this machine, and a command that meets it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ray_nodes import RAY

OTHER = 12345  # another user
WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")  # root, who then may not write to what is not its own

gives_away = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="giving files to another user needs root and setpriv"
)


@contextmanager
def running_head(environment: Mapping[str, str]) -> Iterator[str]:
    """A head of one CPU; yields its address. Its folder is that of RAY_TMPDIR."""
    head = subprocess.Popen(
        [RAY, "start", "--head", "--block", "--num-cpus=1", "--port=0", "--include-dashboard=false", "--object-store-memory=80000000"],
        env=dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        note = Path(environment["RAY_TMPDIR"]) / "ray" / "ray_current_cluster"
        deadline = time.monotonic() + 120
        while not note.exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        yield note.read_text()
    finally:
        os.killpg(head.pid, signal.SIGKILL)
        head.wait(60)


def run(program: str, environment: Mapping[str, str], *arguments: str, prefix: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own. prefix: of its command, such as WITHOUT_RIGHTS."""
    command = [*prefix, sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=dict(environment), capture_output=True, text=True, timeout=300)
