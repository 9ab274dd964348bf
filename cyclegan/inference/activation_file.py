"""Activations on disk: what a layer has computed of an image that is too large for memory."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]
"""Rows of an activation, [n, W, C], each contiguous."""


class ActivationFile:
    """An activation [H, W, C] in a file without a name, which is gone with the process, however that ends.

    It is read and written, never mapped: mapped pages count as the process's memory, the system's cache of files does not.
    """

    def __init__(self, folder: Path, shape: tuple[int, int, int]) -> None:
        """Raises OSError if there can be no file in `folder`."""
        self.shape = shape
        self._file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115

    def read(self, start: int, rows: Rows) -> None:
        """Fill `rows` with those from `start` on. Raises OSError."""
        self._transfer(os.preadv, start, rows)

    def write(self, start: int, rows: Rows) -> None:
        """Keep `rows`, those from `start` on. Raises OSError, as on a full disk."""
        self._transfer(os.pwritev, start, rows)

    def close(self) -> None:
        """Give its place on the disk back."""
        self._file.close()

    def _transfer(self, call: Callable[[int, list[memoryview], int], int], start: int, rows: Rows) -> None:
        for i, row in enumerate(rows, start):
            left, offset = memoryview(row).cast("B"), i * row.nbytes
            while left:  # the system may transfer less than it is asked for
                done = call(self._file.fileno(), [left], offset)
                if not done:
                    raise EOFError(f"row {i} was never written")
                left, offset = left[done:], offset + done


def scratch_folder(environment: Mapping[str, str]) -> Path:
    """Where activations go: TMPDIR, or else /var/tmp, since many systems keep /tmp in memory."""
    return Path(environment.get("TMPDIR") or "/var/tmp")
