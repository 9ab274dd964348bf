"""`metrics.jsonl` as columns. Read again, only what was appended since is read."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cluster.paths import METRICS
from cluster.step_records import GrowingLines, step_record
from ringcycle.storage.location import Location

Column = npt.NDArray[np.float64]
MOST_COLUMNS = 64
CHUNK = 2**22  # bytes that are read at once
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
        self._lines = GrowingLines(run, METRICS, CHUNK)
        self._restart()

    def read(self) -> Metrics:
        """Everything in the file. Raises OSError."""
        while True:
            lines, first = self._lines.read()
            if first:
                self._restart()
            if not lines:
                return self._columns()
            for record in filter(None, map(step_record, lines)):
                self._append(*record)

    def _restart(self) -> None:
        self._steps = array("q")
        self._values: dict[str, array[float]] = {}

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
