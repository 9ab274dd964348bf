"""Checkpoints of one rank: copied by the training thread, written by another one, published when all ranks' parts are there."""

import contextlib
import errno
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import numpy.typing as npt

from cluster.checkpointing.bounded_call import BoundedCall
from cluster.checkpointing.retention import make_room, sweep
from cluster.config import Config
from cyclegan.checkpoint_files.folders import drop_leftovers
from cyclegan.checkpoint_files.index import Index, publish
from cyclegan.checkpoint_files.names import step_folder
from cyclegan.checkpoint_files.parts import clear_room_request, has_receipt, has_room_request, request_room, write_part, written_parts
from cyclegan.config import ImageFormat
from cyclegan.training.state import Arrays, TrainingState
from ringcycle.storage.location import Location, is_remote, reason
from ringcycle.storage.store import Store, parent_and_name
from ringcycle.user_cache import tensorflow_version

PARTS_POLL_SECONDS = 0.05, 0.5  # pauses between checks for the other ranks' parts: the first, and the longest
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds before a retry; each pause is twice the one before
WRITER_NICENESS = 19  # takes what the computing threads leave
SPARE_BYTES = 100_000  # beside the arrays of a part: headers, receipt, folders
FULL = {errno.ENOSPC, errno.EDQUOT}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CheckpointedRun:
    """What all checkpoints of a run share. root: their folder. fingerprint: of the shards. pairs: of the known pairs, or empty."""

    root: Location
    config: Config
    images: ImageFormat
    fingerprint: str
    pairs: str = ""


@dataclass(frozen=True)
class GroupMember:
    """A rank of a group of workers. token: names the attempt, so that parts of different attempts never mix."""

    rank: int
    workers: int
    token: str


@dataclass(frozen=True)
class _Snapshot:
    arrays: Arrays
    step: int
    position: int
    cycle_loss: float | None


class _Superseded(Exception):
    """A newer snapshot waits, and this one cannot be written now."""


class Checkpointer:
    """Saves the state of one rank; rank 0 also publishes, and deletes what need not be kept.

    Failing storage is reported in one line and retried with growing pauses while training continues. A full disk costs an old checkpoint,
    which rank 0 alone deletes; other ranks request room from it. One snapshot is written at a time; a second one may wait, and a newer
    one replaces it.

    published: step of the last checkpoint that rank 0 has published, at first 0.

    patience: seconds after which a save is reported as late. before_publishing: stores what must be stored before the checkpoint, which
    waits at most `patience` for it; may raise OSError.
    """

    def __init__(
        self, run: CheckpointedRun, member: GroupMember, patience: float, before_publishing: Callable[[], object] | None = None
    ) -> None:
        self._run, self._root = run, run.root
        self._rank, self._workers, self._token, self._patience = member.rank, member.workers, member.token, patience
        self._before_publishing = BoundedCall(before_publishing, patience) if before_publishing else None
        self.published = 0
        self._promised: set[int] = set()
        self._changed = threading.Condition()
        self._writing: _Snapshot | None = None
        self._waiting: _Snapshot | None = None
        self._spare: list[Arrays] = []
        self._deadline = float("inf")
        self._fault = ""
        self._error: BaseException | None = None
        # A daemon: storage that hangs forever must not keep the process alive.
        threading.Thread(target=self._write_all, name="checkpoint", daemon=True).start()

    @property
    def busy(self) -> bool:
        """Whether a save is under way; on rank 0 that is until all ranks' parts are published."""
        with self._changed:
            return self._writing is not None or self._waiting is not None

    def save(self, state: TrainingState, rows: npt.NDArray[np.int64], step: int, position: int, cycle_loss: float | None) -> None:
        """Copy the state now and write it in the background; it replaces a snapshot that is still waiting or failing."""
        with self._changed:
            arrays = self._waiting.arrays if self._waiting else self._spare.pop() if self._spare else {}
            self._waiting = None
            for name, value in {**state.views(shared=self._rank == 0), "pool.rows": rows}.items():
                # Into the memory of the previous save: fresh pages cost ten times the copy.
                np.copyto(arrays.setdefault(name, np.empty_like(value)), value)
            self._waiting = _Snapshot(arrays, step, position, cycle_loss)
            self._changed.notify_all()

    def check(self) -> None:
        """Raise the error that ended the writer, and report once that a save is late. Cheap enough for every step."""
        with self._changed:
            if self._error:
                raise self._error
            late = self._writing if time.monotonic() > self._deadline else None
            if late:
                self._deadline = float("inf")
        if late and self._rank == 0:
            log.warning(f"checkpoint of step {late.step:,} is not complete after {self._patience:.0f} s; training continues")

    def close(self, seconds: float) -> str:
        """Wait until everything is on disk and, on rank 0, published. Returns what is wrong after `seconds`, or an empty text.

        Raises the error that ended the writer.
        """
        with self._changed:
            done = self._changed.wait_for(lambda: self._error or not (self._writing or self._waiting), seconds)
            if self._error:
                raise self._error
            return "" if done else self._fault or "it takes too long"

    def _write_all(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), WRITER_NICENESS)  # on Linux of this thread alone
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._waiting)
                    self._writing, self._waiting = self._waiting, None
                    self._deadline, self._fault = time.monotonic() + self._patience, ""
                assert self._writing
                begin = time.monotonic()
                self._keep_trying(self._writing)
                log.debug(f"worker {self._rank}: checkpoint of step {self._writing.step:,} took {time.monotonic() - begin:.2f} s")
                with self._changed:
                    self._spare.append(self._writing.arrays)
                    self._writing = None
                    self._changed.notify_all()
        except BaseException as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _keep_trying(self, snapshot: _Snapshot) -> None:
        folder = step_folder(self._root, snapshot.step)
        pause = FIRST_PAUSE
        while True:
            try:
                self._write(folder, snapshot)
                if self._fault:
                    log.warning(f"checkpoint of step {snapshot.step:,}: worker {self._rank} has written it after all")
                return
            except _Superseded:
                with contextlib.suppress(OSError):
                    drop_leftovers(folder)
                return
            except OSError as error:
                if self._waiting:
                    return  # rank 0 may have abandoned this one and deleted its folder
                full = error.errno in FULL
                if full and self._rank == 0 and self._make_room(snapshot):
                    continue
                if not self._fault:
                    fact = f"{reason(error)}: {error.filename or Store(self._root).label()}"
                    self._fault = f"worker {self._rank} cannot write the checkpoint of step {snapshot.step:,} ({fact})"
                    log.warning(f"{self._fault}; retrying while training continues")
            if full and self._rank > 0:
                with contextlib.suppress(OSError):
                    request_room(folder, self._rank, self._token)
            if self._wait(folder, pause):
                return  # a newer one is waiting
            pause = min(2 * pause, LONGEST_PAUSE)

    def _wait(self, folder: Location, seconds: float) -> bool:
        """Wait before a retry, but no longer once rank 0 has made room. Returns whether a newer snapshot is waiting."""
        deadline = time.monotonic() + seconds
        requested = self._has_request(folder)
        while (left := deadline - time.monotonic()) > 0:
            with self._changed:
                if self._changed.wait_for(lambda: self._waiting, min(left, PARTS_POLL_SECONDS[1])):
                    return True
            if requested and not self._has_request(folder):
                return False
        return False

    def _has_request(self, folder: Location) -> bool:
        with contextlib.suppress(OSError):
            return self._rank > 0 and has_room_request(folder, self._rank, self._token)
        return False

    def _make_room(self, snapshot: _Snapshot) -> bool:
        """Delete one old checkpoint. Returns whether there was one to delete."""
        deleted = None
        with contextlib.suppress(OSError):
            deleted = make_room(self._root, self._run.config.run.keep_best)
        if deleted is None:
            return False
        self._promised.clear()
        old = parent_and_name(deleted)[1]
        log.warning(f"the storage is full: {old} was deleted to make room for the checkpoint of step {snapshot.step:,}")
        return True

    def _make_room_for_others(self, folder: Location, snapshot: _Snapshot) -> None:
        """Let the ranks whose parts did not fit retry, after deleting one checkpoint unless there is room by now.

        Free space does not show a quota, so a checkpoint is deleted for a rank that requests room again.
        """
        waiting = [rank for rank in range(1, self._workers) if has_room_request(folder, rank, self._token)]
        if not waiting and _free(folder) > SPARE_BYTES:  # with less, a request may not fit either
            return
        part = sum(array.nbytes for name, array in snapshot.arrays.items() if name.startswith("pool."))
        fits = _free(folder) > len(waiting) * (part + SPARE_BYTES) and self._promised.isdisjoint(waiting)
        if not fits and not self._make_room(snapshot):
            return
        self._promised.update(waiting)
        for rank in waiting:
            clear_room_request(folder, rank, self._token)

    def _write(self, folder: Location, snapshot: _Snapshot) -> None:
        if not has_receipt(folder, self._rank, self._token):
            write_part(folder, self._rank, self._token, snapshot.arrays)
        if self._rank == 0:
            self._publish(folder, snapshot)

    def _publish(self, folder: Location, snapshot: _Snapshot) -> None:
        pause, longest = PARTS_POLL_SECONDS
        while (parts := written_parts(folder, self._workers, self._token)) is None:
            with self._changed:
                if self._changed.wait_for(lambda: self._waiting, pause):
                    raise _Superseded
            pause = min(2 * pause, longest)
            if pause == longest and not is_remote(folder):  # an object store has no end
                self._make_room_for_others(folder, snapshot)
        index = Index(
            step=snapshot.step,
            position=snapshot.position,
            workers=self._workers,
            fingerprint=self._run.fingerprint,
            pairs=self._run.pairs,
            images=self._run.images,
            written=datetime.now(UTC),
            cycle_loss=snapshot.cycle_loss,
            versions={"python": sys.version.split()[0], "tensorflow": tensorflow_version(), "ray": version("ray")},
            config=self._run.config.model_dump(mode="json"),
            parts=parts,
        )
        if self._before_publishing and not self._before_publishing.run():
            log.warning(f"metrics and samples are not stored after {self._patience:.0f} s; checkpoints no longer wait for them")
        publish(folder, index)
        self.published = snapshot.step
        with contextlib.suppress(OSError):  # leftovers are swept after the next one
            sweep(self._root, snapshot.step, self._run.config.run)


def _free(folder: Location) -> int:
    """Bytes that this user may still write."""
    room = os.statvfs(Store(folder).local or folder)
    return room.f_bavail * room.f_frsize
