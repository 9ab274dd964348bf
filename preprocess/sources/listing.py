"""Lists the images below a folder, on a disk or in an object store, and counts what it leaves out. Training and translation share it."""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pyarrow import fs

from preprocess.images.decode import EXTENSIONS, READS_HEIC
from preprocess.images.file_headers import HEAD_BYTES, is_image
from ringcycle.storage.store import Store

LISTING_ATTEMPTS = 2  # for listing an object store, several requests each: a wrong address should fail within seconds
NO_ENDING = "without extension"
NOT_UTF8 = "with names that are not UTF-8"

# Endings of files that often lie beside images: not worth a look inside.
_TEXTS = ("txt", "md", "rst", "csv", "tsv", "json", "jsonl", "xml", "html", "htm", "css", "yaml", "yml", "toml", "ini", "cfg", "log")
_PROGRAMS = ("py", "js", "sh", "bat", "ipynb", "url", "lnk", "md5", "sha1", "sha256", "part", "crdownload", "tmp", "bak")
_ARRAYS = ("mat", "pkl", "pickle", "npy", "npz", "pt", "pth", "h5", "hdf5", "parquet", "arrow", "tfrecord", "db", "sqlite")
_PACKED = ("zip", "tar", "gz", "tgz", "bz2", "xz", "7z", "rar", "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "svg")
_FILMS = ("mp4", "mov", "avi", "mkv", "webm", "mp3", "wav")
_OTHER_FILES = frozenset(f".{ending}" for ending in (*_TEXTS, *_PROGRAMS, *_ARRAYS, *_PACKED, *_FILMS))
_READERS = 16  # files looked into at a time
_NAMED = 5  # endings named in one line


class FoundFile(NamedTuple):
    """A file below a folder: its name relative to the folder, bytes, modification time (ns since 1970 or 0), whether it is a link."""

    name: str
    size: int
    mtime_ns: int
    link: bool = False


def images_below(store: Store, folder: str = "") -> tuple[list[FoundFile], Counter[str]]:
    """The images in `folder` of a store and the folders inside it, sorted, and the number of other files by extension.

    A file is an image if it has an ending of images, or begins like one; files with endings of text, archives and the like are not
    looked at. Names that start with a dot are skipped, links to folders followed, each folder once. Raises OSError.
    """
    files = _files(store, folder)
    left_out: Counter[str] = Counter()
    images, unsure = [], []
    for file in files:
        ending = PurePosixPath(file.name).suffix.lower()
        if not _is_utf8(file.name):
            left_out[NOT_UTF8] += 1
        elif ending in EXTENSIONS:
            images.append(file)
        elif ending in _OTHER_FILES:
            left_out[ending] += 1
        else:
            unsure.append(file)
    if unsure:
        with ThreadPoolExecutor(_READERS) as pool:
            looked = pool.map(lambda file: is_image(_head(store, folder, file.name), READS_HEIC), unsure)
            for file, image in zip(unsure, looked, strict=True):
                if image:
                    images.append(file)
                else:
                    left_out[PurePosixPath(file.name).suffix.lower() or NO_ENDING] += 1
    return sorted(images), left_out


def entries(store: Store) -> list[FoundFile]:
    """The files directly in a store's folder, hidden ones too; empty if it does not exist. Raises OSError."""
    if store.local is not None:
        return [] if not store.local.is_dir() else [_found(entry, entry.name) for entry in _scan(store.local) if _is_file(entry)]
    listed = store.entries(attempts=LISTING_ATTEMPTS)
    return [FoundFile(info.base_name, info.size, info.mtime_ns or 0) for info in listed if info.type == fs.FileType.File]


def folders(store: Store) -> set[str]:
    """The names of the folders directly in a store's folder, links to folders too. Raises OSError."""
    if store.local is not None:
        return {_shown(entry.name) for entry in _scan(store.local) if _is_folder(entry)}
    return {info.base_name for info in store.entries(attempts=LISTING_ATTEMPTS) if info.type == fs.FileType.Directory}


def describe_left_out(left_out: Counter[str]) -> str:
    """What was left out, by extension, in one line without punctuation at its end."""
    counts = left_out.most_common(_NAMED)
    more = left_out.total() - sum(count for _, count in counts)
    text = ", ".join(f"{count:,} {ending}" for ending, count in counts) + (f" and {more:,} more" if more else "")
    cure = (
        "" if READS_HEIC or not {".heic", ".heif", ".hif"} & set(left_out) else "; for HEIC install the extra heic: pip install pillow-heif"
    )
    return f"left out: {text} (no image format this version reads{cure})"


def _files(store: Store, folder: str) -> Iterable[FoundFile]:
    if store.local is not None:
        return _walk(store.local / folder)
    listed = store.entries(folder, recursive=True, attempts=LISTING_ATTEMPTS)
    above = len(f"{store.root}/{folder}".rstrip("/")) + 1
    found = (FoundFile(info.path[above:], info.size, info.mtime_ns or 0) for info in listed if info.type == fs.FileType.File)
    return [file for file in found if not any(part.startswith(".") for part in PurePosixPath(file.name).parts)]


def _walk(root: Path) -> Iterator[FoundFile]:
    """The files below a folder. Links to folders come after all folders that are none, so circles end and nothing counts twice."""
    pending, linked, seen = deque([("", os.path.realpath(root))]), list[str](), set[str]()
    while pending or linked:
        if not pending:
            pending.extend((name, os.path.realpath(root / name)) for name in sorted(linked))
            linked.clear()
        folder, real = pending.popleft()
        if real in seen:
            continue
        seen.add(real)
        for entry in _scan(root / folder):
            name = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                if entry.is_symlink():
                    linked.append(name)
                else:
                    pending.append((name, f"{real}/{entry.name}"))
            elif _is_file(entry):
                yield _found(entry, name)


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        return list(found)


def _found(entry: os.DirEntry[str], name: str) -> FoundFile:
    status = entry.stat()
    return FoundFile(name, status.st_size, status.st_mtime_ns, entry.is_symlink())


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return _unless_endless(entry.is_dir)


def _is_file(entry: os.DirEntry[str]) -> bool:
    return _unless_endless(entry.is_file)


def _unless_endless(test: Callable[[], bool]) -> bool:
    """The answer of `test`; False for a link that leads nowhere, such as one to itself."""
    try:
        return test()
    except OSError:
        return False


def _head(store: Store, folder: str, name: str) -> bytes:
    name = f"{folder}/{name}" if folder else name
    if store.local is not None:
        with (store.local / name).open("rb") as file:
            return file.read(HEAD_BYTES)
    return store.read_range(name, 0, HEAD_BYTES)


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(name: str) -> str:
    return name if _is_utf8(name) else os.fsencode(name).decode(errors="backslashreplace")
