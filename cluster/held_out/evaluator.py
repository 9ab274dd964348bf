"""Evaluates checkpoints of a run while it trains, in a thread of the driver: nothing that fails or hangs here reaches the training."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from ray.exceptions import RayError

from cluster.held_out.record import read_records, record
from cluster.monitoring.status import RunStatus
from cluster.paths import checkpoints_of
from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.folders import checkpoints
from cyclegan.checkpoint_files.index import read_index
from cyclegan.inference.held_out import Evaluation
from ringcycle.cli import duration
from ringcycle.errors import UserError
from ringcycle.storage.location import Location

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
FAILURES = (OSError, RayError, DamagedCheckpoint, UserError)

Evaluate = Callable[[Location], Evaluation]
"""Evaluates a checkpoint, somewhere; raises one of FAILURES if that fails."""


class HeldOutEvaluator:
    """Evaluates the newest checkpoint whenever training has passed a multiple of `every` steps, one checkpoint at a time.

    abandoned: whether another process trains the run by now; nothing is written then.
    """

    def __init__(self, run: Location, every: int, evaluate: Evaluate, abandoned: Callable[[], bool]) -> None:
        self._run, self._every, self._evaluate, self._abandoned = run, every, evaluate, abandoned
        self._root = checkpoints_of(run)
        self._changed = threading.Condition()
        self._step: int | None = None
        self._back_to = float("inf")  # the lowest step that the run went back to since the thread last looked
        self._closing = self._final = False
        self._thread = threading.Thread(target=self._work, name="held-out images", daemon=True)  # storage may hang for ever
        self._thread.start()

    def update(self, status: RunStatus) -> None:
        """An attempt has got this far."""
        if status.progress:
            self.reached(status.progress.step)

    def reached(self, step: int) -> None:
        """Training has finished this step."""
        with self._changed:  # the thread looks by itself
            if self._step is not None and step < self._step:
                self._back_to = min(self._back_to, step)
            self._step = step

    def finish(self, final: bool) -> float:
        """End the thread. final: training is finished, so the last checkpoint is evaluated too, and waited for, unless interrupted.

        Returns the seconds that it took.
        """
        began = time.monotonic()
        with self._changed:
            self._closing, self._final = True, final
            self._changed.notify_all()
        if final:
            try:
                self._thread.join()
            except KeyboardInterrupt:
                self._final = False
                log.warning("interrupted: the last checkpoint is not evaluated")
        return time.monotonic() - began

    def _work(self) -> None:
        done = self._last_recorded()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing, POLL_SECONDS)
                closing, final, step = self._closing, self._final, self._step
                back, self._back_to = self._back_to, float("inf")
            if closing and not final:
                return
            if self._abandoned() or (closing and step is None):
                return
            if step is None:
                continue
            done = int(min(done, back, step))
            if step // self._every > done // self._every or (final and step >= self._every and step > done):
                done = self._evaluate_newest(done)
            if closing:
                return

    def _last_recorded(self) -> int:
        try:
            return max((int(entry["step"]) for entry in read_records(self._run)), default=0)
        except OSError:
            return 0

    def _evaluate_newest(self, done: int) -> int:
        """Returns the step of the newest checkpoint, or `done` if there is no newer one."""
        step = done
        try:
            folder = next(reversed(checkpoints(self._root)), None)
            index = read_index(folder) if folder else None
            if folder is None or index is None or index.step <= done:
                return done
            step = index.step
            log.debug(f"evaluating the checkpoint of step {step:,}")
            began = time.monotonic()
            evaluation = self._evaluate(folder)
            if self._abandoned():
                return step
            before = [entry for entry in read_records(self._run) if entry["step"] < step]
            record(self._run, folder, index, evaluation)
            log.info(describe(step, evaluation, before, time.monotonic() - began))
        except FAILURES as error:
            if self._closing and not self._final:
                return step
            fact = next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
            log.warning(f"held-out images at step {step:,} are not evaluated ({fact}); training continues")
        return step


def describe(step: int, evaluation: Evaluation, before: Sequence[Mapping[str, float]], seconds: float) -> str:
    """An evaluation in one line. before: the records of earlier steps."""
    values = evaluation.values
    name, title = ("kid", "KID") if "kid" in values else ("sliced_wasserstein", "sliced Wasserstein")
    best = min((entry for entry in before if name in entry), key=lambda entry: entry[name], default=None)
    rank = "the best so far" if best is None or values[name] < best[name] else f"best {best[name]:.4g} at step {best['step']:,}"
    a, b = evaluation.images
    return (
        f"held-out images at step {step:,} ({a:,} A, {b:,} B): {title} {values[name]:.4g} ({rank}), "
        f"cycle error {values['cycle_l1']:.4g}; took {duration(seconds)}"
    )
