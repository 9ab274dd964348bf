"""Where a folder or file is: a path, or the URI of an object store."""

import re
from pathlib import Path
from urllib.parse import quote

Location = Path | str
"""A path, or a URI of an object store, possibly with credentials and a query (s3://KEY:SECRET@bucket/prefix?region=…)."""

_CREDENTIALS = re.compile(r"://(?:[^/@:\s]*:[^@\s]*|[^/@\s]+)@")
_SCHEME = r"(?<![A-Za-z0-9])(?P<scheme>(?:s3|gs|gcs|hdfs|https?):/?)"
_MISTYPED = re.compile(rf"{_SCHEME}(?:[^/@:\s\"']+:[^@\s\"']*|[^/@:\s\"']+)@")
_MASKED = re.compile(r"\w+:\*\*\*@")
_WITHOUT_SCHEME = re.compile(r"(?<![^\s\"'=(/])[^/@:\s\"'=(]+:(?!/)[^@\s\"']+@")


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
    """The text with the credentials of all URIs in it masked, safe to show, log and store.

    So are those of URIs with missing slashes (s3:/KEY:SECRET@bucket, as paths also write them) or without a scheme (KEY:SECRET@bucket).
    """
    masked = _CREDENTIALS.sub("://***@", str(text))
    masked = _MISTYPED.sub(r"\g<scheme>***@", masked)
    return _WITHOUT_SCHEME.sub(lambda found: found[0] if _MASKED.match(found[0]) else "***@", masked)


def reason(error: OSError) -> str:
    """What went wrong, in one line without credentials."""
    return redacted(error.strerror or error).partition("\n")[0]


def shown(location: Location) -> str:
    """A location as its user wrote it, without credentials and query."""
    return redacted(location) if isinstance(location, Path) else redacted(location).partition("?")[0].rstrip("/")
