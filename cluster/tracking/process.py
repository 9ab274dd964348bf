"""The process that sends a run's files to its tracker, and the driver's hold on it."""

import contextlib
import importlib.util
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from ringcycle.errors import UserError
from ringcycle.storage.location import Location, redacted

log = logging.getLogger(__name__)

END_SECONDS = 30  # from the end of the training until the process ends, whatever the tracker does
GRACE = 5  # seconds after which it is killed
MARK = "\x1e"
"""Begins the process's own messages, MARK LEVEL TEXT; all else that it prints is a library's."""
PACKAGES = {"mlflow": "mlflow-skinny", "wandb": "wandb"}


def check_tracker(kind: str, environment: Mapping[str, str]) -> None:
    """Raises UserError if `run.tracker` cannot work. Imports nothing."""
    if kind == "none":
        return
    found = importlib.util.find_spec(kind)
    if found is None or found.origin is None:  # a folder of this name, as both leave behind, is no package
        raise UserError(f"run.tracker = {kind}, but {PACKAGES[kind]} is not installed: pip install '.[{kind}]', or set it to none")
    if kind == "mlflow" and not environment.get("MLFLOW_TRACKING_URI"):
        raise UserError("run.tracker = mlflow, but MLFLOW_TRACKING_URI is not set: set it to the server's address, http://HOST:5000")


class TrackerProcess:
    """The tracker of a run while it is entered; none if `kind` is "none". Its failures are warnings."""

    def __init__(self, kind: str, run: Location, name: str) -> None:
        self._kind, self._settings = kind, {"kind": kind, "run": str(run), "name": name}
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Start. The settings go through a pipe: an object store's location may have keys."""
        if self._kind == "none":
            return self
        root = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __package__],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # keeps Ctrl-C away from it: it ends after the driver has
        )
        assert self._process.stdin
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps(self._settings) + "\n")
            self._process.stdin.flush()
        self._reader = threading.Thread(target=self._read, args=[self._process], name="tracker", daemon=True)
        self._reader.start()
        return self

    def finish(self, outcome: str) -> None:
        """Let it send the rest. outcome: of the training, see `Tracker.close`; "" ends it at once."""
        if self._process is None:
            return
        process, self._process = self._process, None
        if process.poll() is None and not (outcome and _ends(process, outcome)):
            if outcome:
                log.warning(f"{self._kind} takes too long: what is missing there is sent when the run is resumed")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with all that it started
            process.wait()
        self._reader.join(1)

    def __exit__(self, *_: object) -> None:
        self.finish("failed")

    def _read(self, process: subprocess.Popen[str]) -> None:
        """Log what the process says, until it ends."""
        assert process.stdout
        for line in process.stdout:
            if line.startswith(MARK):
                level, _, text = line.removeprefix(MARK).rstrip().partition(" ")
                log.log(int(level), redacted(text))
            else:
                log.debug(redacted(line.rstrip()))
        if self._process is process:
            log.warning(f"the process that sends to {self._kind} has died (code {process.wait()}); training continues")


def _ends(process: subprocess.Popen[str], outcome: str) -> bool:
    """Ask the process to end, and wait for that. Returns whether it has by itself; Ctrl-C ends the wait."""
    assert process.stdin
    with contextlib.suppress(OSError):  # it has died
        process.stdin.write(outcome + "\n")
        process.stdin.close()
    try:
        return process.wait(END_SECONDS + GRACE) == 0
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        return False
