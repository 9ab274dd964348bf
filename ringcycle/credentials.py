"""Credentials out of sight: a process that executes graphs for whoever reaches its port must not carry keys in its environment.

`/proc/PID/environ` shows the memory that the kernel filled when the process started, so deleting a variable is not enough: its bytes are
overwritten there too. What this process itself still needs is kept in private memory, where `credential` finds it.
"""

import ctypes
import os
import re
from pathlib import Path

_SECRET = re.compile(
    r"TOKEN(?!_PATH)|SECRET|PASSWORD|PASSWD|ACCESS_KEY|API_KEY|PRIVATE_KEY|CONNECTION_STRING|TRACKING_URI"
)  # the last as MLflow's, which may hold a password
_held: dict[str, str] = {}


def hide_credentials() -> list[str]:
    """Move all credentials from this process's environment into private memory; returns their names."""
    names = [name for name in os.environ if _SECRET.search(name.upper())]
    for name in names:
        _held[name] = os.environ[name]
        _overwrite_value(name)
        del os.environ[name]
    _overwrite_initial_environment({name.encode() for name in names})
    return names


def credential(name: str) -> str | None:
    """An environment variable's value, hidden or not."""
    return _held.get(name, os.environ.get(name))


def holds_credentials() -> bool:
    """Whether credentials have been hidden in this process."""
    return bool(_held)


def _overwrite_value(name: str) -> None:
    """Overwrite the copy that the C library has, as `putenv` keeps it on the heap when it is removed."""
    getenv = ctypes.CDLL(None).getenv
    getenv.argtypes, getenv.restype = [ctypes.c_char_p], ctypes.c_void_p
    address = getenv(name.encode())
    if address:
        ctypes.memset(address, 0, len(ctypes.string_at(address)))


def _overwrite_initial_environment(names: set[bytes]) -> None:
    """Overwrite the values of these variables in what `/proc/self/environ` shows (proc(5): env_start, env_end)."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return
    start, end = int(fields[47]), int(fields[48])
    if not 0 < start < end:
        return
    position = start
    for entry in ctypes.string_at(start, end - start).split(b"\0"):
        name, mark, value = entry.partition(b"=")
        if mark and name in names:
            ctypes.memset(position + len(name) + 1, 0, len(value))
        position += len(entry) + 1
