"""Where a folder or file is: a path, or the URI of an object store."""

import re
from pathlib import Path
from urllib.parse import quote

Location = Path | str
"""A path, or a URI of an object store, possibly with credentials and a query (s3://KEY:SECRET@bucket/prefix?region=…)."""

_CREDENTIALS = re.compile(r"://(?:[^/@:\s]*:[^@\s]*|[^/@\s]+)@")


def as_location(text: str) -> Location:
    """The location that a user names: a URI unchanged, anything else as a path."""
    return text if "://" in text else Path(text)


def is_remote(location: Location) -> bool:
    """Whether a location lies in an object store rather than on this machine's own file system."""
    return isinstance(location, str) and "://" in location and not location.startswith("file://")


def child(location: Location, name: str) -> Location:
    """The folder or file `name` below a location; a URI keeps its query at the end."""
    if isinstance(location, Path) or "://" not in location:
        return Path(location) / name
    base, mark, query = location.partition("?")
    return f"{base.rstrip('/')}/{quote(name)}{mark}{query}"


def redacted(text: object) -> str:
    """The text with the credentials of all URIs in it masked, safe to show, log and store."""
    return _CREDENTIALS.sub("://***@", str(text))


def reason(error: OSError) -> str:
    """What went wrong, in one line without credentials."""
    return redacted(error.strerror or error).partition("\n")[0]


def shown(location: Location) -> str:
    """A location as its user wrote it, without credentials and query."""
    return str(location) if isinstance(location, Path) else redacted(location).partition("?")[0].rstrip("/")
