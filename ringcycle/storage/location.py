"""Where a folder is: a path, or a URI of an object store."""

import re
from pathlib import Path
from urllib.parse import quote

Location = Path | str
"""A folder: a path, or a URI of an object store, perhaps with keys and a query (s3://KEY:SECRET@bucket/prefix?region=…)."""

_KEYS = re.compile(r"://(?:[^/@:\s]*:[^@\s]*|[^/@\s]+)@")


def as_location(text: str) -> Location:
    """What a user names: a URI as it is, anything else as a path."""
    return text if "://" in text else Path(text)


def is_remote(place: Location) -> bool:
    """Whether a place is no path that this machine's own file system knows."""
    return isinstance(place, str) and "://" in place and not place.startswith("file://")


def child(place: Location, name: str) -> Location:
    """The folder or file `name` below a place; a URI's query stays at its end."""
    if isinstance(place, Path) or "://" not in place:
        return Path(place) / name
    base, mark, query = place.partition("?")
    return f"{base.rstrip('/')}/{quote(name)}{mark}{query}"


def redacted(text: object) -> str:
    """The text without the keys of the URIs in it: what may be shown, logged and kept in files."""
    return _KEYS.sub("://***@", str(text))


def reason(error: OSError) -> str:
    """What went wrong, in one line without keys."""
    return redacted(error.strerror or error).partition("\n")[0]


def shown(place: Location) -> str:
    """A place as its user named it, without keys and query."""
    return str(place) if isinstance(place, Path) else redacted(place).partition("?")[0].rstrip("/")
