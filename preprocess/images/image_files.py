"""Which files are images: by extension or first bytes; and the images of a folder on a disk. Training and translation share this."""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from preprocess.images.decode import EXTENSIONS, READS_HEIC
from preprocess.images.file_headers import HEAD_BYTES, is_image

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


def images_in(folder: Path) -> tuple[list[FoundFile], Counter[str]]:
    """The images in a folder on a disk and the folders inside it. See `walk` and `images_among`."""

    def head(name: str) -> bytes:
        with (folder / name).open("rb") as file:
            return file.read(HEAD_BYTES)

    return images_among(walk(folder), head)


def images_among(files: Iterable[FoundFile], head: Callable[[str], bytes]) -> tuple[list[FoundFile], Counter[str]]:
    """The images among files, sorted, and the number of the others by extension. head: reads the first HEAD_BYTES of a file.

    A file is an image if it has an extension of images, or begins like one; files with extensions of text, archives and the like are not
    looked at. Raises OSError.
    """
    left_out: Counter[str] = Counter()
    images, unsure = list[FoundFile](), list[FoundFile]()
    for file in files:
        ending = PurePosixPath(file.name).suffix.lower()
        if not is_utf8(file.name):
            left_out[NOT_UTF8] += 1
        elif ending in EXTENSIONS:
            images.append(file)
        elif ending in _OTHER_FILES:
            left_out[ending] += 1
        else:
            unsure.append(file)
    if unsure:
        with ThreadPoolExecutor(_READERS) as pool:
            looked = pool.map(lambda file: is_image(head(file.name), READS_HEIC), unsure)
            for file, image in zip(unsure, looked, strict=True):
                if image:
                    images.append(file)
                else:
                    left_out[PurePosixPath(file.name).suffix.lower() or NO_ENDING] += 1
    return sorted(images), left_out


def describe_left_out(left_out: Counter[str]) -> str:
    """What was left out, by extension, in one line without punctuation at its end."""
    counts = left_out.most_common(_NAMED)
    more = left_out.total() - sum(count for _, count in counts)
    text = ", ".join(f"{count:,} {ending}" for ending, count in counts) + (f" and {more:,} more" if more else "")
    cure = (
        "" if READS_HEIC or not {".heic", ".heif", ".hif"} & set(left_out) else "; for HEIC install the extra heic: pip install pillow-heif"
    )
    return f"left out: {text} (no image format this version reads{cure})"


def walk(root: Path) -> Iterator[FoundFile]:
    """The files below a folder, except names that start with a dot, following links. Raises OSError.

    Links to folders come after all folders that are none, so circles end and nothing counts twice.
    """
    pending, linked, seen = deque([("", os.path.realpath(root))]), list[str](), set[str]()
    while pending or linked:
        if not pending:
            pending.extend((name, os.path.realpath(root / name)) for name in sorted(linked))
            linked.clear()
        folder, real = pending.popleft()
        if real in seen:
            continue
        seen.add(real)
        for entry in scan(root / folder):
            name = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith("."):
                continue
            if is_folder(entry):
                if entry.is_symlink():
                    linked.append(name)
                else:
                    pending.append((name, f"{real}/{entry.name}"))
            elif is_file(entry):
                yield found_file(entry, name)


def scan(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder."""
    with os.scandir(folder) as found:
        return list(found)


def found_file(entry: os.DirEntry[str], name: str) -> FoundFile:
    """An entry as a file of that name."""
    status = entry.stat()
    return FoundFile(name, status.st_size, status.st_mtime_ns, entry.is_symlink())


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one."""
    return _unless_endless(entry.is_dir)


def is_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a regular file, or a link to one."""
    return _unless_endless(entry.is_file)


def _unless_endless(test: Callable[[], bool]) -> bool:
    """The answer of `test`; False for a link that leads nowhere, such as one to itself."""
    try:
        return test()
    except OSError:
        return False


def is_utf8(name: str) -> bool:
    """Whether a file's name was UTF-8, and so can be printed and stored."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
