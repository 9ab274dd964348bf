"""When, where and how many checkpoints: saved beside the training, published when all ranks' parts are there."""

import shutil
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cluster.config import Config
from cyclegan.checkpoint_files import Index, checkpoints, publish, write_part, written_parts
from cyclegan.state import Arrays, TrainingState

PARTS_POLL_SECONDS = 0.05


class Checkpointer:
    """Saves the state of one rank; rank 0 also publishes. One save is under way at a time, off the training thread.

    token: names this start of the group, so that parts of different starts never mix.
    """

    def __init__(self, root: Path, config: Config, fingerprint: str, rank: int, token: str, patience: float) -> None:
        self._root, self._config, self._fingerprint = root, config, fingerprint
        self._rank, self._token, self._patience = rank, token, patience
        self._writer = ThreadPoolExecutor(1, "checkpoint")
        self._pending: Future[None] | None = None

    def save(self, state: TrainingState, rows: npt.NDArray[np.int64], step: int, position: int) -> None:
        """Snapshot the state now and write it in the background. Waits for, and raises the error of, the save before."""
        self.wait()
        arrays: Arrays = {**state.pool_arrays(), "pool.rows": rows}
        if self._rank == 0:
            arrays |= state.shared_arrays()
        self._pending = self._writer.submit(self._write, arrays, step, position)

    def wait(self) -> None:
        """Until the last save is on disk and, for rank 0, published. Raises what went wrong."""
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def _write(self, arrays: Arrays, step: int, position: int) -> None:
        partial = self._root / f"step-{step:08d}.partial-{self._token}"
        write_part(partial, self._rank, arrays)
        if self._rank == 0:
            self._publish(partial, step, position)

    def _publish(self, partial: Path, step: int, position: int) -> None:
        workers = self._config.cluster.workers
        deadline = time.monotonic() + self._patience
        while (parts := written_parts(partial, workers)) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{partial}: parts of other ranks are missing after {self._patience:.0f} s")
            time.sleep(PARTS_POLL_SECONDS)
        index = Index(
            step=step,
            position=position,
            workers=workers,
            fingerprint=self._fingerprint,
            versions={"python": sys.version.split()[0], "tensorflow": version("tensorflow"), "ray": version("ray")},
            config=self._config.model_dump(),
            parts=parts,
        )
        publish(partial, index, self._root)
        for old in checkpoints(self._root)[: -self._config.run.keep]:
            shutil.rmtree(old, ignore_errors=True)
