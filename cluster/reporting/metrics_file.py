"""`metrics.jsonl` as columns. Read again, only what was appended since is read."""

import json
from array import array
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cluster.paths import METRICS
from ringcycle.storage.location import Location
from ringcycle.storage.store import Store

Column = npt.NDArray[np.float64]
MOST_COLUMNS = 64
CHUNK = 2**22  # bytes that are read at once; no line is as long
NAN = float("nan")


@dataclass(frozen=True)
class Metrics:
    """steps: strictly increasing. columns: values at these steps by name, NaN where there is none."""

    steps: npt.NDArray[np.int64]
    columns: Mapping[str, Column]

    def last(self, name: str, rows: int) -> float:
        """The mean of the last `rows` values of a column; NaN without any."""
        values = self.columns.get(name, np.empty(0))[-rows:]
        known = values[np.isfinite(values)]
        return float(known.mean()) if known.size else NAN


class MetricsFile:
    """The file of one run. Lines of steps that were repeated are replaced by the later ones; damaged ones are left out."""

    def __init__(self, run: Location) -> None:
        self._store = Store(run)
        self._restart()

    def read(self) -> Metrics:
        """Everything in the file. Raises OSError."""
        size = self._store.size(METRICS) or 0
        if size < self._offset or not self._unchanged():  # cut by an attempt that resumed from an earlier step
            self._restart()
        before = -1
        while before < self._offset < size:  # without progress what is left is part of a line
            before = self._offset
            self._add(self._store.read_range(METRICS, self._offset, min(CHUNK, size - self._offset)))
        return self._columns()

    def _restart(self) -> None:
        self._offset = 0
        self._tail = b""
        self._steps = array("q")
        self._values: dict[str, array[float]] = {}

    def _unchanged(self) -> bool:
        """Whether the last line that was read is still where it was."""
        start = self._offset - len(self._tail)
        return not self._tail or self._store.read_range(METRICS, start, len(self._tail)) == self._tail

    def _add(self, content: bytes) -> None:
        """Take all lines that are complete."""
        complete = content.rpartition(b"\n")[0]
        if not complete:
            return
        for line in complete.split(b"\n"):
            row = _row(line)
            if row is not None:
                self._append(*row)
        self._offset += len(complete) + 1
        self._tail = complete.rpartition(b"\n")[2] + b"\n"

    def _append(self, step: int, values: Mapping[str, float]) -> None:
        for name in values:
            if name not in self._values and len(self._values) < MOST_COLUMNS:
                self._values[name] = array("d", [NAN]) * len(self._steps)
        self._steps.append(step)
        for name, column in self._values.items():
            column.append(values.get(name, NAN))

    def _columns(self) -> Metrics:
        steps = np.array(self._steps, np.int64)
        later = np.minimum.accumulate(steps[::-1])[::-1]
        kept = np.append(steps[:-1] < later[1:], True) if steps.size else np.empty(0, bool)
        return Metrics(steps[kept], {name: np.array(column)[kept] for name, column in self._values.items()})


def _row(line: bytes) -> tuple[int, dict[str, float]] | None:
    try:
        entry = json.loads(line)
        step = entry.pop("step")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    if type(step) is not int or not 0 <= step < 2**53:
        return None
    return step, {name: value for name, value in entry.items() if type(value) in (int, float)}
