"""One training per run: a lease in the run's storage, on disks as in object stores, which a dead holder's successor takes over.

The holder rewrites `lease.json` with a growing counter. Clocks of hosts are never compared: whoever finds a lease watches the counter,
and takes the lease over once it has not changed for EXPIRY_SECONDS, or at once if the holder was a process of this host that is gone.
"""

import contextlib
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from pydantic import BaseModel, ValidationError

from ringcycle.errors import UserError
from ringcycle.storage.location import Location
from ringcycle.storage.store import Store

log = logging.getLogger(__name__)

LEASE = "lease.json"
RENEW_SECONDS = 5.0
EXPIRY_SECONDS = 30.0  # several renewals, so that a slow write does not look like a dead holder
POLL_SECONDS = 1.0
SETTLE_SECONDS = 0.5  # where no file can be created in one step, two claims at the same moment both write; the last one's file stays


class _Holder(BaseModel):
    """Who trains the run. machine: boot id of the host's kernel. started: of the process, in seconds since the epoch."""

    token: str
    host: str
    machine: str
    pid: int
    started: float
    renewals: int = 0


class RunLease:
    """Holds the lease of a run while it is entered; `lost` is set if another process took it over meanwhile.

    Entering raises UserError if another training holds it. Storage that fails while it is held is retried.
    """

    def __init__(
        self, run: Location, name: str, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.lost = threading.Event()
        self._store, self._name, self._clock, self._sleep = Store(run), name, clock, sleep
        self._holder = _this_process()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep_renewing, name="lease", daemon=True)

    def __enter__(self) -> Self:
        if self._wait_until_free() is not None or not self._create():
            self._write()
            self._sleep(SETTLE_SECONDS)
        other = self._read()
        if other is not None and other.token != self._holder.token:
            raise self._refusal(other)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.set()
        self._thread.join(RENEW_SECONDS)
        if not self.lost.is_set():
            with contextlib.suppress(OSError):
                self._store.delete(LEASE)

    def renew(self) -> None:
        """Rewrite the lease, unless another process has taken it over. Raises OSError."""
        found = self._read()
        if found is not None and found.token != self._holder.token:
            self.lost.set()
            return
        self._holder = self._holder.model_copy(update={"renewals": self._holder.renewals + 1})
        self._write()

    def _keep_renewing(self) -> None:
        while not self._end.wait(RENEW_SECONDS) and not self.lost.is_set():
            with contextlib.suppress(OSError):  # as long as the storage fails, nobody else can take the lease over either
                self.renew()

    def _wait_until_free(self) -> _Holder | None:
        """The dead holder whose lease is to be replaced, if any."""
        first = found = self._read()
        began = self._clock()
        while found is not None and not _is_gone(found):
            if found != first:
                raise self._refusal(found)
            if self._clock() - began >= EXPIRY_SECONDS:
                break
            if self._clock() - began < POLL_SECONDS:
                log.info("run %s may still be training on %s: watching its lease for up to %.0f s", self._name, found.host, EXPIRY_SECONDS)
            self._sleep(POLL_SECONDS)
            found = self._read()
        if found is not None:
            log.info("taking over run %s from process %d on %s, which is gone", self._name, found.pid, found.host)
        return found

    def _create(self) -> bool:
        """Create the lease in one step, as file systems with hard links can. Returns False where it must be written, or replaced."""
        folder = self._store.local
        if folder is None:
            return False
        complete = folder / f".{LEASE}-{self._holder.token}"
        try:
            complete.write_text(self._holder.model_dump_json())
            os.link(complete, folder / LEASE)
        except FileExistsError:
            return self._read() is not None  # else it cannot be understood
        except OSError:
            return False
        finally:
            complete.unlink(missing_ok=True)
        return True

    def _refusal(self, other: _Holder) -> UserError:
        return UserError(
            f"run.name = {self._name} is already being trained by process {other.pid} on {other.host}: "
            "wait until it ends, stop it, or give another run.name"
        )

    def _read(self) -> _Holder | None:
        """The holder, or None if there is no lease, or none that can be understood."""
        try:
            return _Holder.model_validate_json(self._store.read(LEASE))
        except (FileNotFoundError, ValidationError):
            return None

    def _write(self) -> None:
        self._store.write(LEASE, self._holder.model_dump_json().encode(), sync=False)


def _this_process() -> _Holder:
    process = psutil.Process()
    return _Holder(
        token=uuid.uuid4().hex, host=socket.gethostname(), machine=_boot_id(), pid=process.pid, started=round(process.create_time(), 2)
    )


def _is_gone(holder: _Holder) -> bool:
    """Whether the holder was a process of this host that no longer runs; False if that cannot be known."""
    if holder.machine != _boot_id() or holder.host != socket.gethostname():
        return False
    try:
        return round(psutil.Process(holder.pid).create_time(), 2) != holder.started
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def _boot_id() -> str:
    """Identifies this boot of the kernel and, in containers, the PID namespace: process numbers mean something within both only."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()
