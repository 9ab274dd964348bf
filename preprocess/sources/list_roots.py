"""Where the records of a list may point: below the list's own folder or bucket, and below the folders that the user allows besides."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from ringcycle.storage.location import Location, child, is_remote, redacted
from ringcycle.storage.store import Store, parent_and_name


class OutsideRoots(ValueError):
    """A record that may not be read; the message is the fact, and its cure."""


class ListRoots:
    """The roots of a list: they decide which records are read, with which credentials and options of an object store.

    A list is data from others. If its records chose servers, or any file that this user can read, it would leak credentials and files.
    """

    def __init__(self, source_list: str, more: Sequence[str]) -> None:
        """source_list, more: absolute locations; the list lies in its own folder, or, in an object store, in its own bucket."""
        self._folder = parent_and_name(source_list)[0].location
        own = _bucket(source_list) if is_remote(source_list) else str(self._folder)
        self._remote = [root for root in (own, *more) if is_remote(root)]
        self._local = [_real(Store(root).local or Path(root)) for root in (own, *more) if not is_remote(root)]

    def locate(self, path: str) -> Location:
        """The location of a record. Raises OutsideRoots if it is not below a root; links on disks are for `check_link`."""
        path = path.removeprefix("file://")
        if "://" in path:
            return self._in_bucket(path)
        if not is_remote(self._folder):
            return Path(os.path.normpath((Store(self._folder).local or Path(self._folder)) / path))
        if path.startswith("/"):
            return Path(os.path.normpath(path))
        if ".." in path.split("/"):
            raise OutsideRoots(_outside(path))
        return child(self._folder, path)

    def check_real(self, path: Path, record: str) -> None:
        """Raises OutsideRoots if a path on a disk, after resolving all links, is not below a root."""
        real = _real(path)
        if not any(real == root or real.startswith(f"{root.rstrip('/')}/") for root in self._local):
            raise OutsideRoots(_outside(record))

    def _in_bucket(self, path: str) -> Location:
        """A record that is a URI, at the root's own server: credentials and options come from the root only."""
        if "?" in path:
            cure = "delete it, and give a store's options in data.source_list or data.list_roots"
            raise OutsideRoots(f"{redacted(path)}, which has a query: {cure}")
        scheme, authority, key = _parts(path)
        for root in self._remote:
            base, mark, query = root.partition("?")
            root_scheme, root_authority, prefix = _parts(base)
            same = (scheme, authority) == (root_scheme, root_authority.rpartition("@")[2])
            if same and key.startswith(f"{unquote(prefix)}/" if prefix else "") and ".." not in key.split("/"):
                return child(f"{scheme}://{root_authority}{mark}{query}", key)
        raise OutsideRoots(_outside(redacted(path)))


def _outside(path: str) -> str:
    return f"{path}, which is outside the list's own folder or bucket: move it there, or add its folder to data.list_roots"


def _bucket(location: str) -> str:
    base, mark, query = location.partition("?")
    scheme, authority, _ = _parts(base)
    return f"{scheme}://{authority}{mark}{query}"


def _parts(uri: str) -> tuple[str, str, str]:
    """Scheme, authority and path without slashes at its ends."""
    scheme, _, rest = uri.partition("://")
    authority, _, path = rest.partition("/")
    return "gs" if scheme == "gcs" else scheme, authority, path.strip("/")


def _real(path: Path) -> str:
    return os.path.realpath(path)
