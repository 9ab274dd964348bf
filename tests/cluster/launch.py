"""Runs the real `python -m cluster.train` and reads what it prints, as a user would."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import psutil
import pytest

from cyclegan.checkpoint_files.folders import checkpoints, verify
from cyclegan.checkpoint_files.names import step_of
from cyclegan.checkpoint_files.parts import read_arrays
from preprocess.synthetic import write_dataset
from tests.ray_nodes import ROOT, clean_environment

SMALL = {
    "data.load_size": "72",
    "data.crop_size": "64",
    "model.filters": "8",
    "model.blocks": "1",
    "model.discriminator_filters": "8",
    "train.batch": "1",
}
"""Sizes of the tests' networks; all runs of these sizes share their compiled programs."""

TINY = {
    "data.load_size": [24, 40],
    "data.crop_size": [24, 32],
    "model.filters": 4,
    "model.blocks": 1,
    "model.discriminator_filters": 4,
    "model.convolution": "plain",  # compiles in a few seconds
}
"""Sizes of the smallest networks and images, which are rectangles, for what only compiles."""

EVERY = 20
"""Steps between two checkpoints of `small_run`."""

WORKER = re.compile(r"worker (\d+): process (\d+) on (\S+), cores ([\d, ]+), feed ([\d, ]+), ready at step ([\d,]+)")


def options(values: Mapping[str, object]) -> list[str]:
    """Command-line options that set these fields."""
    return [word for name, value in values.items() for word in (f"--{name}", str(value))]


def small_run(folder: Path, programs: Path, values: Mapping[str, object]) -> list[str]:
    """Options of a run of the small networks on the embedded images with two workers, all in `folder`, and with these values."""
    write_dataset(folder / "images", images=60, test=1)
    here = {"data.source": folder / "images", "run.storage": folder / "runs", "cluster.compile_cache": programs}
    often = {"cluster.workers": 2, "run.checkpoint_every": EVERY, "run.log_every": 1}
    return options({**SMALL, **here, **often, **values})


class Running:
    """A running command, with a process group of its own; its output is collected."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path = ROOT) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def output(self) -> str:
        """Everything printed so far."""
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, count: int = 1, seconds: float = 240) -> list[re.Match[str]]:
        """Wait until `pattern` was printed `count` times; returns the matches. Fails if the command ends, or time is up, before."""
        deadline = time.monotonic() + seconds
        while True:
            found = [match for line in list(self.lines) if (match := re.search(pattern, line))]
            if len(found) >= count:
                return found
            if self.process.poll() is not None or time.monotonic() > deadline:
                self._reader.join(5)
                found = [match for line in list(self.lines) if (match := re.search(pattern, line))]
                if len(found) >= count:
                    return found
                pytest.fail(f"{pattern!r} was printed {len(found)} times, not {count}:\n{self.output}")
            time.sleep(0.05)

    def end(self, code: int, seconds: float = 300) -> str:
        """Wait for the end, which must have this exit code. Returns the output."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"still running after {seconds} s:\n{self.output}")
        self._reader.join(10)
        assert self.process.returncode == code, f"exit code {self.process.returncode}, not {code}:\n{self.output}"
        return self.output

    def kill(self) -> None:
        """SIGKILL the command and all processes that it started itself."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def close(self) -> None:
        """Make sure that it has ended."""
        if self.process.poll() is None:
            self.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Launch(Running):
    """One launch of a command of this project."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        command: str = "cluster.train",
    ) -> None:
        environment = environment or {**clean_environment(), "RAY_ADDRESS": "local"}
        super().__init__([*prefix, sys.executable, "-m", command, *arguments], environment)

    def ray_process(self, title: str, seconds: float = 300) -> psutil.Process:
        """A process of the launch's own Ray, which has begun after it, by the first word of its title. Waits until there is one."""
        began, deadline = psutil.Process(self.process.pid).create_time(), time.monotonic() + seconds
        while time.monotonic() < deadline:
            for process in psutil.process_iter():
                with contextlib.suppress(psutil.Error):
                    words = process.cmdline()[:1]
                    if words and words[0].partition(".")[0].strip() == title and process.create_time() > began:
                        return process
            time.sleep(0.02)
        pytest.fail(f"no process {title} has begun:\n{self.output}")

    def workers(self, count: int, attempt: int = 1) -> list[re.Match[str]]:
        """The lines of the workers of attempt number `attempt`: groups rank, pid, host, cores, feed pids, step."""
        return self.wait_for(WORKER.pattern, count * attempt)[count * (attempt - 1) : count * attempt]


def wait_for_step(run: Path, step: int, seconds: float = 240) -> None:
    """Wait until there is a checkpoint of `step` or later."""
    deadline = time.monotonic() + seconds
    while not any((step_of(folder) or 0) >= step for folder in checkpoints(run / "checkpoints")):
        if time.monotonic() > deadline:
            pytest.fail(f"{run} has no checkpoint of step {step}")
        time.sleep(0.02)


def wait_for_metrics(run: Path, step: int, seconds: float = 240) -> None:
    """Wait until metrics.jsonl has that many lines."""
    deadline = time.monotonic() + seconds
    file = run / "metrics.jsonl"
    while not file.is_file() or file.read_text().count("\n") < step:
        if time.monotonic() > deadline:
            pytest.fail(f"{file} has no {step} lines")
        time.sleep(0.02)


def everything_saved(run: Path, step: int) -> dict[str, npt.NDArray[np.generic]]:
    """All arrays of all parts of a checkpoint whose checksums are valid: weights, moments, counts and pools."""
    folder = run / f"checkpoints/step-{step:08d}"
    index = verify(folder)
    return {f"rank {rank}: {name}": array for rank, part in enumerate(index.parts) for name, array in read_arrays(folder, part).items()}


def assert_equal_runs(one: Path, other: Path, step: int) -> None:
    """The saved states at `step` are equal bit for bit."""
    first, second = everything_saved(one, step), everything_saved(other, step)
    assert first.keys() == second.keys()
    different = [name for name, array in first.items() if array.tobytes() != second[name].tobytes()]
    assert not different
