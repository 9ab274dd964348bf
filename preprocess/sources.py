"""Where pictures come from: a folder, or a prefix in an object store, with trainA, trainB and perhaps testA, testB."""

import hashlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from pyarrow import fs

from preprocess.decode import EXTENSIONS
from preprocess.errors import UserError
from preprocess.manifest import FORMAT

TRAIN = ("trainA", "trainB")
SPLITS = (*TRAIN, "testA", "testB")
_SCHEMES = ("file://", "s3://", "gs://", "gcs://")


class PictureFile(NamedTuple):
    """A file that looks like a picture: path inside the source ("trainA/x.jpg"), bytes, time of change (ns since 1970, 0 if unknown)."""

    name: str
    size: int
    mtime_ns: int


def find_pictures(source: str) -> dict[str, list[PictureFile]]:
    """List the pictures of each split that has any, sorted by name; trainA and trainB always have some.

    Folders inside a split count too, as with the reference; so do links. A picture is a file with one of decode.EXTENSIONS in
    any case; names that start with a dot are skipped. Raises UserError if `source` is no folder, or lacks a train picture.
    """
    filesystem, root = _open(source)
    kind = _ask(source, partial(filesystem.get_file_info, root)).type
    if kind == fs.FileType.NotFound:
        raise UserError(f"{_field(source)} does not exist: name a folder that holds trainA and trainB")
    if kind == fs.FileType.File:
        raise UserError(f"{_field(source)} is a file: name the folder that holds trainA and trainB")
    top = _ask(source, partial(filesystem.get_file_info, fs.FileSelector(root)))
    folders = sorted(info.base_name for info in top if info.type == fs.FileType.Directory)
    for split in TRAIN:
        if split not in folders:
            raise UserError(f"{_field(source)} has no folder {split}, its folders are {_some(folders)}: it must hold trainA and trainB")
    found = {}
    for split in SPLITS:
        if split in folders:
            listing = _ask(source, partial(filesystem.get_file_info, fs.FileSelector(f"{root}/{split}", recursive=True)))
            files = [info for info in listing if info.type == fs.FileType.File]
            pictures = sorted(_pictures(root, files))
            if pictures:
                found[split] = pictures
            elif split in TRAIN:
                kinds = Counter(PurePosixPath(info.path).suffix.lower() or "no ending" for info in files)
                fact = f"{len(files)} files, {_some([kind for kind, _ in kinds.most_common()])}" if files else "it is empty"
                raise UserError(f"{_field(source)}: no pictures in {split} ({fact}): put JPEG, PNG, WebP or TIFF files there")
    return found


def fingerprint(pictures: dict[str, list[PictureFile]], settings: str) -> str:
    """Name a source and the settings that decide the pixels of its shards (`recipe.settings_text`), 16 hexadecimal digits.

    Names, sizes and times of change stand for the content: reading it all would cost as much as the build. The place of the source does
    not count, so that it may move; nor do actors, threads and the size of a shard file, which leave the pictures as they are.
    """
    digest = hashlib.blake2b(f"format {FORMAT}, {settings}\n".encode(), digest_size=8)
    for split in sorted(pictures):
        for file in pictures[split]:
            digest.update(f"{file.name}\0{file.size}\0{file.mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def opener(source: str) -> Callable[[str], bytes]:
    """A function that reads a file of the source by the name that `find_pictures` gave. It raises OSError."""
    filesystem, root = _open(source)

    def read(name: str) -> bytes:
        with filesystem.open_input_stream(f"{root}/{name}") as file:
            return bytes(file.read())

    return read


def absolute(source: str) -> str:
    """The source as seen from any working directory."""
    return source if "://" in source else str(Path(source).absolute())


def _pictures(root: str, files: list[fs.FileInfo]) -> list[PictureFile]:
    pictures = []
    for info in files:
        name = info.path[len(root) :].lstrip("/")
        parts = PurePosixPath(name).parts
        if PurePosixPath(name).suffix.lower() in EXTENSIONS and not any(part.startswith(".") for part in parts):
            pictures.append(PictureFile(name, info.size, info.mtime_ns or 0))
    return pictures


def _open(source: str) -> tuple[fs.FileSystem, str]:
    if not source:
        raise UserError("data.source is empty: name a folder that holds trainA and trainB")
    if "://" not in source:
        return fs.LocalFileSystem(), str(Path(source).absolute())
    if not source.startswith(_SCHEMES):
        raise UserError(f"{_field(source)} is of an unknown kind: name a folder, or a place that starts with s3:// or gs://")
    filesystem, root = _ask(source, partial(fs.FileSystem.from_uri, source))
    return filesystem, root.rstrip("/")


def _ask(source: str, question: Callable[[], Any]) -> Any:
    """Ask the file system; what it answers in several lines (no permission, no network) becomes the fact of one."""
    try:
        return question()
    except (OSError, ValueError) as error:
        raise UserError(f"{_field(source)} cannot be listed ({str(error).splitlines()[0]}): mend that, or name another place") from error


def _field(source: str) -> str:
    return f'data.source = "{source}"'


def _some(names: list[str]) -> str:
    """At most five names."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") if names else "none"
