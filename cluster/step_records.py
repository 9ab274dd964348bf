"""Files of a run with a JSON record for each step, such as metrics.jsonl, read while they grow."""

import json

from ringcycle.storage.location import Location
from ringcycle.storage.store import Store


class GrowingLines:
    """The lines of such a file, as they come.

    An attempt that resumes cuts off the lines of later steps and writes them anew: then the file is read from its beginning again.
    """

    def __init__(self, run: Location, name: str, most: int) -> None:
        """most: bytes to read at once; no line is as long."""
        self._store, self._name, self._most = Store(run), name, most
        self._offset = 0
        self._last = b""  # the last line that was read, by which a file is known that was cut and has grown since

    def read(self) -> tuple[list[bytes], bool]:
        """The next complete lines, none if there are no more by now, and whether they are the file's first ones. Raises OSError."""
        size = self._store.size(self._name) or 0
        begin = self._offset - len(self._last)
        content = self._store.read_range(self._name, begin, min(len(self._last) + self._most, size - begin)) if size > begin else b""
        if not content.startswith(self._last):
            self._offset, self._last = 0, b""
            return self.read()
        new = content[len(self._last) :]
        complete = new[: new.rfind(b"\n") + 1]
        first = self._offset == 0
        if complete:
            self._offset += len(complete)
            self._last = complete[complete.rfind(b"\n", 0, -1) + 1 :]
        return complete.split(b"\n")[:-1], first


def step_record(line: bytes) -> tuple[int, dict[str, float]] | None:
    """The step of a line, and its numbers by name; None for a line that is damaged."""
    try:
        entry = json.loads(line)
        step = entry.pop("step")
        numbers = {name: float(value) for name, value in entry.items() if type(value) in (int, float)}
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError, OverflowError):
        return None
    return (step, numbers) if type(step) is int and 0 <= step < 2**53 else None
