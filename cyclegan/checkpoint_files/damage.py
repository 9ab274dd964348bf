"""What is wrong with a damaged checkpoint, in one line."""

import contextlib
from collections.abc import Iterator

from ringcycle.storage.location import Location, is_remote, reason
from ringcycle.storage.store import Store

LONGEST_TEXT = 200  # characters of an error that quotes a file


class DamagedCheckpoint(Exception):
    """A folder that is not a valid checkpoint; one line names the file and what is wrong with it."""


@contextlib.contextmanager
def reading(folder: Location, name: str) -> Iterator[None]:
    """Raise DamagedCheckpoint if a file cannot be read, but leave the error of an object store that does not answer."""
    try:
        yield
    except OSError as error:
        if is_remote(folder) and not isinstance(error, FileNotFoundError):
            raise
        raise DamagedCheckpoint(f"{Store(folder).label(name)}: cannot be read ({reason(error)})") from error


def one_line(text: object) -> str:
    """At most LONGEST_TEXT characters of what an error states about a file, without line breaks."""
    return " ".join(str(text).split())[:LONGEST_TEXT]
