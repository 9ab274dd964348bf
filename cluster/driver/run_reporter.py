"""Rewrites a run's page and its record of launches while it trains, in a thread of the driver: nothing here reaches the training."""

import logging
import os
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from cluster.driver.goodput import AttemptRecord
from cluster.driver.interfaces import Timer
from cluster.monitoring.status import Outcome, RunStatus, WorkerInfo
from cluster.paths import REPORT
from cluster.reporting.launches import AttemptEntry, LaunchEntry, WorkerEntry, read_launches, write_launches
from cluster.reporting.run_files import RunReader
from cluster.reporting.sample_images import shares
from ringcycle.storage.location import Location, reason, redacted
from ringcycle.storage.store import Store

log = logging.getLogger(__name__)

SECONDS = 60.0  # between two pages
LAST_SECONDS = 15.0  # that the end of a launch waits for the last page: a stop has a minute in all
NICENESS = 19  # leaves the CPUs to the computing threads


class RunReporter:
    """Writes `launches.json` and `report.html` every `seconds`, and for the last time in `finish`.

    abandoned: whether another process trains the run by now; nothing is written then. timer: the clock of the supervisor's records.
    """

    def __init__(self, run: Location, abandoned: Callable[[], bool], seconds: float = SECONDS, timer: Timer | None = None) -> None:
        self._run, self._abandoned, self._seconds = run, abandoned, seconds
        self._now = (timer or Timer()).now
        self._began = datetime.now(UTC)
        self._changed = threading.Condition()
        self._attempts: list[AttemptEntry] = []
        self._status: RunStatus | None = None
        self._attempt_began = self._began
        self._steps = 0
        self._outcome: Outcome | None = None
        self._closing = self._failing = False
        self._reader: RunReader | None = None
        self._earlier: list[LaunchEntry] | None = None
        self._thread = threading.Thread(target=self._work, name="report", daemon=True)  # storage may hang for ever
        self._thread.start()

    def update(self, status: RunStatus) -> None:
        """An attempt has got this far."""
        with self._changed:
            if self._status is None or self._status.attempt != status.attempt:
                self._attempt_began = datetime.now(UTC)
            self._status = status
            if status.progress:
                self._steps = status.progress.steps

    def attempt_ended(self, record: AttemptRecord) -> None:
        """An attempt is over."""
        with self._changed:
            workers = self._status.workers if self._status and self._status.attempt == len(self._attempts) + 1 else {}
            self._attempts.append(self._entry(record, workers))
            self._status = None

    def finish(self, outcome: Outcome | None) -> None:
        """Write everything for the last time, and end the thread. Waits at most LAST_SECONDS for the storage."""
        with self._changed:
            self._closing, self._outcome = True, outcome
            self._changed.notify_all()
        try:
            self._thread.join(LAST_SECONDS)
        except KeyboardInterrupt:
            log.warning(f"interrupted: {REPORT} does not show the end of this launch")
            return
        if self._thread.is_alive():
            log.warning(f"the storage is slow: {REPORT} does not show the end of this launch")

    def _work(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)  # on Linux, of this thread alone
        closing = False
        while not closing:
            with self._changed:
                closing = self._changed.wait_for(lambda: self._closing, self._seconds)
                launch = self._launch()
            if self._abandoned():
                return
            try:
                self._write(launch)
                self._failing = False
            except Exception as error:  # whatever is wrong with a file of the run, it must not matter to the training
                if not self._failing:
                    fact = reason(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}".partition("\n")[0]
                    log.warning(f"{REPORT} is not written ({fact}); training continues")
                self._failing = True

    def _write(self, launch: LaunchEntry) -> None:
        if self._earlier is None:
            self._earlier = read_launches(self._run)
        if self._reader is None:
            self._reader = RunReader(self._run)
        write_launches(self._run, [*self._earlier, launch])
        from cluster.reporting.page import render  # not while the training starts

        page = render([self._reader.read(*shares(1))], launch.until)
        if not self._abandoned():
            Store(self._run).write(REPORT, page.encode(), sync=False)

    def _launch(self) -> LaunchEntry:
        """This launch so far."""
        now = datetime.now(UTC)
        running = [self._running(self._status, now)] if self._status else []
        outcome = self._outcome
        return LaunchEntry(
            began=self._began,
            until=now,
            steps=self._steps,
            outcome=outcome.kind if outcome else "",
            reason=redacted(outcome.reason) if outcome else "",
            attempts=[*self._attempts, *running],
        )

    def _running(self, status: RunStatus, now: datetime) -> AttemptEntry:
        resumed = min((worker.step for worker in status.workers.values()), default=0)
        return AttemptEntry(
            number=status.attempt,
            began=self._attempt_began,
            until=now,
            entered=dict(status.entered),
            resumed_step=resumed,
            reached_step=status.progress.step if status.progress else resumed,
            trained_seconds=status.seconds.get("train", 0.0),
            workers=_workers(status.workers),
        )

    def _entry(self, record: AttemptRecord, workers: Mapping[int, WorkerInfo]) -> AttemptEntry:
        now, offset = datetime.now(UTC), self._now()
        return AttemptEntry(
            number=len(self._attempts) + 1,
            began=now - timedelta(seconds=offset - record.began),
            until=now - timedelta(seconds=offset - record.ended),
            entered=dict(record.entered),
            resumed_step=record.resumed_step,
            reached_step=record.reached_step,
            trained_seconds=record.trained_seconds,
            cause=redacted(record.cause),
            workers=_workers(workers),
        )


def _workers(workers: Mapping[int, WorkerInfo]) -> list[WorkerEntry]:
    return [
        WorkerEntry(rank=rank, host=worker.host, device=worker.device, cores=len(worker.cores), programs=worker.programs, hits=worker.hits)
        for rank, worker in sorted(workers.items())
    ]
