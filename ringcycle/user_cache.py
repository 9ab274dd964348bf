"""The folder where this user's processes on a node keep what they can make again: compiled programs, shards of object stores."""

import hashlib
import os
import platform
import stat
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ringcycle.errors import UserError

NAME = "ringcycle"


def user_cache(environment: Mapping[str, str] = os.environ, temporary: Path | None = None) -> Path:
    """`$XDG_CACHE_HOME/ringcycle`, `~/.cache/ringcycle`, or, for a user without a home, a folder below the temporary folder.

    Compiled programs are native code, so the folder is private to the user (mode 0700). Raises UserError if it belongs to somebody else,
    is a symbolic link, or others may write to it.
    """
    folder = _in_home(environment) or Path(temporary or tempfile.gettempdir()) / f"{NAME}-{os.getuid()}"
    return private_folder(folder)


def private_folder(folder: Path) -> Path:
    """`folder`, made if need be with mode 0700. Raises UserError if others could have put something into it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}): set XDG_CACHE_HOME to a folder that you may write to") from error
    fact = _unsafe(found)
    if fact:
        raise UserError(f"{folder} {fact}, so it cannot be trusted: delete it, or set XDG_CACHE_HOME to a folder of yours")
    return folder


def compile_cache(given: str = "") -> Path:
    """This node's folder for compiled programs, below `given` or else the user's own: one per version of TensorFlow and kind of processor.

    Programs are native code. Raises UserError if the folder belongs to another user, or others may write to it.
    """
    root = private_folder(Path(given).expanduser().absolute()) if given else user_cache()
    return root / f"tensorflow-{tensorflow_version()}-{processor_kind()}"


def tensorflow_version() -> str:
    """The version of TensorFlow, by whichever of its packages is installed, without the seconds that importing it takes."""
    try:
        return version("tensorflow")
    except PackageNotFoundError:
        return version("tensorflow-cpu")


def processor_kind(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """A name for the instructions that this processor has: a home folder may be shared by different machines."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return platform.machine()
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()}-{hashlib.blake2b(flags.encode(), digest_size=4).hexdigest()}"


def _in_home(environment: Mapping[str, str]) -> Path | None:
    """The cache folder in the user's home, or None if there is no home that this user may write to, as for many containers' users."""
    given = environment.get("XDG_CACHE_HOME", "")
    if given and Path(given).is_absolute():  # the specification ignores relative paths
        return Path(given) / NAME
    home = environment.get("HOME", "")
    if not home or not Path(home).is_dir():
        return None
    cache = Path(home) / ".cache"
    return cache / NAME if os.access(cache if cache.is_dir() else home, os.W_OK | os.X_OK) else None


def _unsafe(found: os.stat_result) -> str:
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link"
    if not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    if found.st_uid != os.getuid():
        return f"belongs to another user (uid {found.st_uid})"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"may be written to by others (mode {stat.S_IMODE(found.st_mode):04o})"
    return ""
