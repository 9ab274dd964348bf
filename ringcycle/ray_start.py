"""Joins or starts Ray, quietly and without leaving files in the user's home."""

import contextlib
import logging
import os
import re
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import ray
from ray._private import services, utils, worker
from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
from ray._private.node import Node
from ray.exceptions import AuthenticationError

from ringcycle.errors import UserError
from ringcycle.memory import available_memory
from ringcycle.ray_refusal import refusal

log = logging.getLogger(__name__)

_STORE = 2**30  # the feed keeps about 32 MiB per worker in the object store; shards stay in files
_PATIENCE = 10.0  # seconds to wait for a cluster that is starting
_VERSION = re.compile(r"Ray: (\S+)\s+Python: (\S+)")
_KILLED = ("low on memory", "memory pressure")
_LINE = 300  # characters of a message of a node
_LEAST_STORE = 80 * 2**20  # Ray refuses less than 75 MiB


def start_ray(num_cpus: int | None = None) -> bool:
    """Connect this process to Ray; returns whether it joined an existing cluster.

    It joins the cluster of RAY_ADDRESS (set in a submitted job; "local" forbids joining), or one that `ray start` started on this machine.
    Otherwise it starts Ray here, for this process only, with num_cpus logical CPUs (default: all) and a bounded object store. Its token is
    random and lives in the environment of this process and of Ray's own: by default Ray would write one into the user's home. Ray reports
    no usage statistics, and its processes have their own session, so that neither a signal to this process's group nor a closed
    terminal ends them. What Ray and its workers print is hidden, except at the log level debug. An existing SIGTERM handler is kept.
    Raises UserError if no cluster answers at RAY_ADDRESS, or Ray fails to start.
    """
    handler = signal.getsignal(signal.SIGTERM)
    verbose = log.isEnabledFor(logging.DEBUG)
    level = "INFO" if verbose else "ERROR"
    address = os.environ.get("RAY_ADDRESS", "")
    joined = address != "local" and _join(address, level, log_to_driver=verbose)
    if not joined:
        if not any(name in os.environ for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        _start(num_cpus, level, log_to_driver=verbose)
    if not verbose:
        worker.print_to_stdstream = _log_of_a_node
    # Ray installs its own handler; restore an earlier one (a run saves before it stops).
    if handler not in (signal.SIG_DFL, None) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)
    return joined


def _log_of_a_node(message: Mapping[str, Sequence[str]], ignore_prefix: bool) -> None:
    """Replaces what Ray prints of its nodes: of a process that died, whoever waits for it tells; that Ray killed it, only Ray."""
    for line in message["lines"]:
        text = " ".join(line.split())
        log.log(logging.WARNING if any(sign in text for sign in _KILLED) else logging.DEBUG, "Ray: %s", text[:_LINE])


def _join(address: str, level: str, log_to_driver: bool) -> bool:
    """Join the cluster of RAY_ADDRESS, or one that `ray start` started on this machine, if there is one."""
    named = bool(address) and address != "auto"
    found = address if named else services.find_bootstrap_address(None)
    if not found:
        return False
    # If nothing is listening, Ray itself waits for minutes and prints warnings.
    if "://" not in found and not _listens(found, _PATIENCE if named else 0):
        if not named:  # the file that names a cluster outlives it
            return False
        raise UserError(f"RAY_ADDRESS = {found}: nothing is listening there: start a Ray cluster, or set RAY_ADDRESS=local")
    what = f"RAY_ADDRESS = {found}" if named else f"the Ray cluster of this machine ({found})"
    if not named:  # as Ray does for a cluster that it finds itself
        logging.getLogger("ray").setLevel(level)  # it would say so on the terminal
        maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
    fact = "" if "://" in found else refusal(found)
    if fact:
        raise UserError(f"{what} {fact} set RAY_ADDRESS=local to start Ray for this command only")
    try:
        ray.init(address=found, logging_level=level, log_to_driver=log_to_driver)
    except (ConnectionError, ValueError, RuntimeError, AuthenticationError) as error:
        versions = _VERSION.findall(str(error))
        if len(versions) == 2:
            theirs, ours = (f"Ray {ray_} on Python {python}" for ray_, python in versions)
            fact = f"{what} runs {theirs}, but this command {ours}"
            raise UserError(f"{fact}: install the same versions, or set RAY_ADDRESS=local to start Ray for this command only") from error
        raise UserError(f"{what} cannot be joined ({_in_one_line(error)}): start a cluster, or set RAY_ADDRESS=local") from error
    if not named:
        log.info("joining the Ray cluster of this machine at %s; RAY_ADDRESS=local starts one for this command only", found)
    return True


def _start(num_cpus: int | None, level: str, log_to_driver: bool) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        with _own_session(), _few_processes(log_to_driver):
            ray.init(
                address="local",
                num_cpus=num_cpus,
                object_store_memory=_store_bytes(),
                include_dashboard=False,
                logging_level=level,
                log_to_driver=log_to_driver,
            )
    except PermissionError as error:
        raise UserError(
            f"Ray failed to start: no permission to write to {_with_owner(Path(error.filename or _temporary()))}: "
            "set RAY_TMPDIR to a folder of yours whose path is shorter than 40 characters"
        ) from error
    # Ray raises a bare Exception if its processes are not up within 30 seconds.
    except Exception as error:
        raise UserError(
            f"Ray failed to start ({_in_one_line(error)}): if this machine is very busy, try again; RAY_TMPDIR = {_temporary()} must be "
            "writable, and its path shorter than 40 characters"
        ) from error


def _own_session() -> contextlib.AbstractContextManager[None]:
    """Start Ray's processes in a session of their own; Ray has no setting for it. They still end with this process (PR_SET_PDEATHSIG)."""

    class Detached(services.ConsolePopen):  # type: ignore[misc, valid-type]
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **{**options, "start_new_session": True})

    return _replaced(services, {"ConsolePopen": Detached})


@contextlib.contextmanager
def _few_processes(log_to_driver: bool) -> Iterator[None]:
    """Start Ray without its autoscaler, its job server and dashboard, and, unless workers' lines are printed, its log monitor.

    They cost seconds, and nothing on one machine asks them for anything; Ray has no setting for it. Nor does this process import all that
    a dashboard needs to find out whether it could run.
    """
    unneeded = ["start_monitor", "start_api_server", *([] if log_to_driver else ["start_log_monitor"])]
    with (
        _replaced(Node, dict.fromkeys(unneeded, lambda *_, **__: None)),
        _replaced(utils, {"get_dashboard_dependency_error": lambda: None}),
    ):
        yield


@contextlib.contextmanager
def _replaced(owner: object, attributes: Mapping[str, object]) -> Iterator[None]:
    """`owner` with these attributes, for as long as it is entered."""
    originals = {name: getattr(owner, name) for name in attributes}
    for name, value in attributes.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in originals.items():
            setattr(owner, name, value)


def _temporary() -> str:
    return os.environ.get("RAY_TMPDIR", tempfile.gettempdir())


def _with_owner(path: Path) -> str:
    """The path, or what of it this process can see, and whose that is if it is another user's."""
    seen = next((folder for folder in (path, *path.parents) if os.path.exists(folder)), path)
    uid = seen.stat().st_uid
    return f"{seen}" if uid == os.geteuid() else f"{seen}, which belongs to another user (uid {uid})"


def _in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:500]


def _listens(address: str, patience: float) -> bool:
    """Whether a server is listening at host:port, or starts to within `patience` seconds."""
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
    """Bytes for the object store: at most a quarter of memory, and no more than fits into shared memory, or Ray would use the disk."""
    room = min(psutil.virtual_memory().total // 4, available_memory() // 2, shutil.disk_usage("/dev/shm").free * 8 // 10)
    return max(_LEAST_STORE, min(_STORE, room))
