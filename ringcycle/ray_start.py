"""Joining or starting Ray, quietly and without leaving anything behind in the user's home."""

import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import time

import psutil
import ray
from ray._private.services import find_bootstrap_address
from ray.exceptions import AuthenticationError

from ringcycle.errors import UserError

_STORE = 2**30  # the feed keeps some 32 MiB a worker in the object store; shards stay in files
_PATIENCE = 10.0  # seconds for a cluster that is starting
_LEAST_STORE = 80 * 2**20  # Ray refuses less than 75 MiB


def start_ray(quiet: bool = True, num_cpus: int | None = None) -> bool:
    """Connect this process to Ray; returns whether it joined a cluster that was there.

    Joined: the cluster of RAY_ADDRESS (which a submitted job has, "local" forbids joining), or one that `ray start` made on this machine.
    Else Ray starts here, for this process only, with num_cpus logical CPUs (default: all) and a bounded object store. Its token is made up
    for it and lives in this process's environment: by itself Ray would write one into the user's home.
    quiet: neither Ray's lines nor those of its workers appear. Handlers of SIGTERM that were set before stay.
    Raises UserError if RAY_ADDRESS names no cluster that answers, or Ray does not start.
    """
    handler = signal.getsignal(signal.SIGTERM)
    level = "ERROR" if quiet else "INFO"
    address = os.environ.get("RAY_ADDRESS", "")
    joined = address != "local" and _join(address, level, log_to_driver=not quiet)
    if not joined:
        if not any(name in os.environ for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        _start(num_cpus, level, log_to_driver=not quiet)
    # Ray installs a handler of its own; whoever had one (a run that saves first) keeps it.
    if handler not in (signal.SIG_DFL, None) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)
    return joined


def _join(address: str, level: str, log_to_driver: bool) -> bool:
    """Join the cluster of RAY_ADDRESS, or the one that `ray start` made on this machine, if there is one."""
    named = bool(address) and address != "auto"
    found = address if named else find_bootstrap_address(None)
    if not found:
        return False
    # Ray itself waits for minutes, and prints, when nobody listens.
    if "://" not in found and not _listens(found, _PATIENCE if named else 0):
        if not named:  # the note of a cluster outlives it
            return False
        raise UserError(f"RAY_ADDRESS = {found}: nobody listens there: start a Ray cluster, or set RAY_ADDRESS=local")
    try:
        ray.init(address=found, logging_level=level, log_to_driver=log_to_driver)
    except (ConnectionError, ValueError, RuntimeError, AuthenticationError) as error:
        fact = str(error).partition("\n")[0]
        raise UserError(f"RAY_ADDRESS = {found}: no Ray cluster answers there ({fact}): start one, or set RAY_ADDRESS=local") from error
    return True


def _start(num_cpus: int | None, level: str, log_to_driver: bool) -> None:
    try:
        ray.init(
            address="local",
            num_cpus=num_cpus,
            object_store_memory=_store_bytes(),
            include_dashboard=False,
            logging_level=level,
            log_to_driver=log_to_driver,
        )
    # Also a bare Exception, when its processes are not up within its 30 seconds.
    except Exception as error:
        fact = str(error).partition("\n")[0]
        folder = os.environ.get("RAY_TMPDIR", tempfile.gettempdir())
        raise UserError(
            f"Ray does not start here ({fact}): if this machine is very busy, try again; RAY_TMPDIR = {folder} must be writable, "
            "with a path of under 40 characters"
        ) from error


def _listens(address: str, patience: float) -> bool:
    """Whether somebody listens at host:port, or begins to within `patience` seconds."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + patience
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
            return True
        except (OSError, ValueError):
            if time.monotonic() >= deadline:
                return False
        time.sleep(0.5)


def _store_bytes() -> int:
    """Bytes for the object store: a quarter of the memory at most, and what fits into shared memory, for Ray uses the disk else."""
    room = min(psutil.virtual_memory().total // 4, shutil.disk_usage("/dev/shm").free * 8 // 10)
    return max(_LEAST_STORE, min(_STORE, room))
