"""Atomic writes, which leave a complete file or none, and checksums of files."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_atomic(path: Path, write: Callable[[BinaryIO], object], sync: bool = True) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to disk, then rename it to `path` in one step.

    A reader that finds `path` finds all of it, even after a power failure. The temporary name contains host and process id and starts
    with a dot: two writers never share it, and no listing of images or shards shows it. Raises what `write` raises, and OSError.
    sync: False lets the system decide when to write to disk, so a power failure may truncate the file; call `sync_file` later.
    """
    temporary = path.with_name(f".{path.name}.{os.uname().nodename}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            write(file)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if sync:
        sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Flush the bytes of a file to disk, whichever process wrote them."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to disk: only then does a rename survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
