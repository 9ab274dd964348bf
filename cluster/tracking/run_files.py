"""The scalars and images of a run, read from its files as they grow, each step once."""

import re
import time

from cluster.step_records import GrowingLines, step_record
from cluster.tracking.tracker import Scalars
from ringcycle.storage.location import Location
from ringcycle.storage.store import Store

READ_BYTES = 2**18  # at a time, which bounds what waits in memory for a tracker that does not answer
PNG_END = b"IEND\xae\x42\x60\x82"


class ScalarFile:
    """Lines of JSON, each with a step. Lines of steps up to `step` are known to the tracker.

    A restarted attempt removes the lines after its checkpoint and writes them anew: those steps are not read again.
    """

    def __init__(self, run: Location, name: str, prefix: str, step: int) -> None:
        """prefix: put before the names of values."""
        self._lines, self._prefix = GrowingLines(run, name, READ_BYTES), prefix
        self.step = step
        self._records: list[Scalars] = []

    def batch(self) -> list[Scalars]:
        """The next records, the same ones until `accept`; empty if there are none by now. Raises OSError."""
        while not self._records and (lines := self._lines.read()[0]):
            known, now = self.step, time.time()
            for step, values in filter(None, map(step_record, lines)):
                if step > known:
                    self._records.append(Scalars(step, {self._prefix + name: value for name, value in values.items()}, now))
                    known = step
        return self._records

    def accept(self) -> None:
        """The tracker has the last batch."""
        self.step = self._records[-1].step
        self._records = []


class ImageFolder:
    """Files PREFIX-STEP.png of a run's folder of samples, of later steps than `step`."""

    def __init__(self, folder: Location, prefix: str, step: int) -> None:
        self._store = Store(folder)
        self._pattern = re.compile(rf"{prefix}-(\d+)\.png")
        self.step = step

    def waiting(self) -> list[tuple[int, str]]:
        """Steps and names of those that the tracker does not have. Raises OSError."""
        found = [(int(match[1]), name) for name in self._store.names() if (match := self._pattern.fullmatch(name))]
        return sorted(image for image in found if image[0] > self.step)

    def read(self, name: str) -> bytes | None:
        """A file's content; None while it is still being written. Raises OSError."""
        content = self._store.read(name)
        return content if content.endswith(PNG_END) else None
