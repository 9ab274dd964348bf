"""Small file systems that tests can fill, make read-only or freeze."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest


def small_file_system(folder: Path, size: int) -> AbstractContextManager[Path]:
    """One of `size` bytes in memory, mounted at `folder`. Skips the test where that is not allowed."""
    return _mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "tmpfs")


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """An ext4 of `size` bytes in a file beside `folder`, which can be frozen. Skips the test where that is not allowed."""
    if not shutil.which("mkfs.ext4"):
        pytest.skip("no mkfs.ext4 here")
    image = folder.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    with _mounted(folder, "-o", "loop", str(image)):
        yield folder


@contextmanager
def _mounted(folder: Path, *what: str) -> Iterator[Path]:
    folder.mkdir()
    if subprocess.run(["mount", *what, folder], capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
