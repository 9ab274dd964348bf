"""The scalars and images of a run, read from its files as they grow, each step once."""

import json
import re
import time

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
        self._store, self._name, self._prefix = Store(run), name, prefix
        self.step = step
        self._offset = 0
        self._records: list[Scalars] = []

    def batch(self) -> list[Scalars]:
        """The next records, the same ones until `accept`; empty if there are none by now. Raises OSError."""
        while not self._records and (lines := self._read()):
            known = self.step
            for line in lines:
                if (record := self._parse(line)) and record.step > known:
                    self._records.append(record)
                    known = record.step
        return self._records

    def accept(self) -> None:
        """The tracker has the last batch."""
        self.step = self._records[-1].step
        self._records = []

    def _read(self) -> list[bytes]:
        """The next complete lines."""
        size = self._store.size(self._name) or 0
        if size < self._offset:  # cut
            self._offset = 0
        if size == self._offset:
            return []
        begin = max(0, self._offset - 1)
        content = self._store.read_range(self._name, begin, READ_BYTES)
        if begin < self._offset:
            if content[:1] != b"\n":  # cut, and already longer again
                self._offset = 0
                return self._read()
            content = content[1:]
        complete = content[: content.rfind(b"\n") + 1]
        self._offset += len(complete)
        return complete.splitlines()

    def _parse(self, line: bytes) -> Scalars | None:
        """The numbers of a line; None for one that is damaged."""
        try:
            values = json.loads(line)
            step = values.pop("step")
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        if type(step) is not int:
            return None
        numbers = {self._prefix + name: float(value) for name, value in values.items() if type(value) in (int, float)}
        return Scalars(step, numbers, time.time())


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
