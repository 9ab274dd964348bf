"""Lists folders of files and of images, on a disk or in an object store."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from pyarrow import fs

from preprocess.images.file_headers import HEAD_BYTES
from preprocess.images.image_files import FoundFile, found_file, images_among, images_in, is_file, is_folder, is_utf8, scan
from ringcycle.storage.store import Store

LISTING_ATTEMPTS = 2  # for listing an object store, several requests each: a wrong address should fail within seconds


def images_below(store: Store, folder: str = "") -> tuple[list[FoundFile], Counter[str]]:
    """The images in `folder` of a store and the folders inside it, and the other files by extension: see `image_files`. Raises OSError."""
    if store.local is not None:
        return images_in(store.local / folder)
    return images_among(_files(store, folder), lambda name: store.read_range(f"{folder}/{name}" if folder else name, 0, HEAD_BYTES))


def entries(store: Store) -> list[FoundFile]:
    """The files directly in a store's folder, hidden ones too; empty if it does not exist. Raises OSError."""
    if store.local is not None:
        return [] if not store.local.is_dir() else [found_file(entry, entry.name) for entry in scan(store.local) if is_file(entry)]
    listed = store.entries(attempts=LISTING_ATTEMPTS)
    return [FoundFile(info.base_name, info.size, info.mtime_ns or 0) for info in listed if info.type == fs.FileType.File]


def folders(store: Store) -> set[str]:
    """The names of the folders directly in a store's folder, links to folders too. Raises OSError."""
    if store.local is not None:
        return {_shown(entry.name) for entry in scan(store.local) if is_folder(entry)}
    return {info.base_name for info in store.entries(attempts=LISTING_ATTEMPTS) if info.type == fs.FileType.Directory}


def _files(store: Store, folder: str) -> Iterable[FoundFile]:
    listed = store.entries(folder, recursive=True, attempts=LISTING_ATTEMPTS)
    above = len(f"{store.root}/{folder}".rstrip("/")) + 1
    found = (FoundFile(info.path[above:], info.size, info.mtime_ns or 0) for info in listed if info.type == fs.FileType.File)
    return [file for file in found if not any(part.startswith(".") for part in PurePosixPath(file.name).parts)]


def _shown(name: str) -> str:
    return name if is_utf8(name) else os.fsencode(name).decode(errors="backslashreplace")
