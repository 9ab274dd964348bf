"""Keeps a training going: watches an attempt, lets `policy` decide, and acts. Only this module starts, ends and resizes the group.

Attempts, nodes and time are passed in, so that every path of a restart is tested without a cluster.
"""

import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

from cluster.checkpointing.resume import newest_checkpoint
from cluster.checkpointing.retention import roll_back
from cluster.config import ClusterConfig
from cluster.driver.goodput import AttemptRecord, Goodput, goodput, recovery
from cluster.driver.interfaces import ClusterLost, Display, NewAttempt, RunningAttempt, Signals, Timer, WatchedNodes
from cluster.driver.policy import (
    RATE_FACTOR,
    Action,
    Decision,
    Ended,
    EndKind,
    Running,
    Timeouts,
    after_end,
    rollback_limit,
    while_running,
    workers_to_start,
)
from cluster.job import CLOSE_SECONDS, Job
from cluster.monitoring.status import FIRST_STEP, Outcome, RunStatus
from cluster.paths import FAILURE, GOODPUT, checkpoints_of
from ringcycle.storage.store import Store

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2


class State(Enum):
    """What the supervisor is doing. `run` goes from one state to the next until DONE."""

    WAITING = "waiting until the nodes have room for the workers"
    TRAINING = "watching an attempt"
    STOPPING = "watching an attempt that was asked to save a checkpoint and end"
    MOVING = "watching an attempt that was asked to save a checkpoint and make way for another number of workers"
    PREPARING = "preparing the next attempt"
    DONE = "the launch is over"


@dataclass(frozen=True)
class Report:
    """How a launch ended. status: of its last attempt, with an outcome. temporary: whether running the same command again may help.

    rate: what rollbacks, as many as `rollbacks`, have multiplied the learning rate by.
    """

    status: RunStatus
    goodput: Goodput
    temporary: bool
    rate: float = 1.0
    rollbacks: int = 0


class Supervisor:
    """One launch of a run. taken_over: whether another process trains the run by now. `state` is public for tests."""

    def __init__(
        self,
        job: Job,
        nodes: WatchedNodes,
        new_attempt: NewAttempt,
        signals: Signals,
        display: Display,
        taken_over: Callable[[], bool],
        timer: Timer | None = None,
        attempt_ended: Callable[[AttemptRecord], None] = lambda record: None,
    ) -> None:
        self.state = State.WAITING
        self._job, self._nodes, self._new_attempt, self._signals, self._display = job, nodes, new_attempt, signals, display
        self._taken_over, self._timer, self._attempt_ended = taken_over, timer or Timer(), attempt_ended
        self._timeouts = timeouts_of(job.config.cluster)
        self._waiting_since = self._timer.now()
        self._attempt: RunningAttempt
        self._began = self._end_by = 0.0
        self._status = RunStatus()
        self._recovery_reported = False
        self._decision = Decision(Action.WAIT)
        self._records: list[AttemptRecord] = []
        self._failures = self._attempts_without_progress = self._rollbacks = 0
        self._best_step = -1
        self._seconds: dict[str, float] = {}
        self._temporary = False
        self._rolled_back_to = ""
        self._step_work = 0.0  # seconds of a step of the last attempt × its workers, since each has its share of the global batch

    def run(self) -> Report:
        """Train until there is an outcome or a stop, or until nothing helps."""
        launched = self._timer.now()
        while self.state is not State.DONE:
            self.state = self._advance()
        self._status.seconds |= self._seconds
        result = goodput(launched, self._timer.now(), self._records)
        report = Report(self._status, result, self._temporary, self._job.rate, self._rollbacks)
        if self._taken_over():
            return report  # what is in the run's folder is another process's
        with contextlib.suppress(OSError):
            Store(self._job.run).write(GOODPUT, json.dumps(report.goodput.as_json(), indent=1).encode())
        return report

    def _advance(self) -> State:
        match self.state:
            case State.WAITING:
                return self._wait_or_start()
            case State.PREPARING:
                return self._prepare()
            case _:
                return self._watch()

    def _wait_or_start(self) -> State:
        """Start an attempt once there is room. Ends the launch after a signal, with too little room for too long, or without a head."""
        if self._taken_over():
            return self._give_way()
        if self._stopping():
            return self._done(self._outcome("stopped"), temporary=True)
        if not self._nodes.head_answers():
            reason = "the head of the Ray cluster does not answer: start it, then run the same command again"
            return self._done(self._outcome("failed", reason), temporary=True)
        config, now = self._job.config.cluster, self._timer.now()
        fit, valid = self._nodes.room(), self._job.config.valid_workers
        workers = workers_to_start(fit, valid, now - self._waiting_since, config.node_timeout)
        if workers is None:
            self._display.phase(f"waiting for nodes: room for {fit} of {valid[0]} workers")
            self._timer.sleep(POLL_SECONDS)
            return State.WAITING
        if workers == 0:
            fact = f"the nodes have only had room for {fit} for {config.node_timeout:.0f} s (cluster.node_timeout)"
            reason = f"cluster.workers = {config.workers}, but {fact}: add nodes, or allow fewer workers"
            return self._done(self._outcome("failed", reason), temporary=True)
        if workers < valid[0]:
            log.info(f"continuing with {workers} of {valid[0]} workers: the nodes have room for {fit}")
        self._attempt = self._new_attempt(self._job, workers, len(self._records) + 1)
        self._began, self._end_by = self._timer.now(), float("inf")
        self._status, self._recovery_reported = RunStatus(self._attempt.number), False
        self._attempt.start()
        return State.TRAINING

    def _watch(self) -> State:
        """Look at the attempt once, and act."""
        attempt = self._attempt
        if not attempt.is_alive() or self._timer.now() >= self._end_by:
            return self._over()
        attempt.join(POLL_SECONDS)
        if self._taken_over():
            if self._nodes.head_answers():
                attempt.end()
            return self._give_way()
        try:
            self._status = attempt.status()
            running = self._running()
        except ClusterLost as lost:
            return self._over(str(lost))
        self._display.show(self._status)
        self._report_recovery()
        if self._status.outcome:
            if self._status.outcome.kind == "failed":
                return self._over()
            self._end_by = min(self._end_by, self._timer.now() + self._timeouts.peer)  # for its processes to end
            return self.state
        decision = while_running(running, self._timeouts)
        match decision.action:
            case Action.WAIT:
                return self.state
            case Action.SAVE_AND_STOP | Action.SAVE_AND_MOVE:
                attempt.ask_to_stop()
                log.info(decision.reason)
                return State.MOVING if decision.action is Action.SAVE_AND_MOVE else State.STOPPING
            case _:
                return self._conclude(decision)

    def _running(self) -> Running:
        workers = self._attempt.workers
        larger, larger_for = self._nodes.larger(workers)
        return Running(
            workers=workers,
            age=self._timer.now() - self._began,
            ranks=self._status.ranks,
            signals=self._signals.count,
            driver_draining=self._nodes.driver_leaving(),
            asked_to_stop=self.state in (State.STOPPING, State.MOVING),
            draining=self._nodes.leaving(heartbeat.node for heartbeat in self._status.heartbeats.values()),
            larger=larger,
            larger_for=larger_for,
            nodes_lost=self._nodes.lost(workers),
            mismatch=self._status.mismatch,
            expected_step_seconds=self._step_work / workers,
        )

    def _stopping(self) -> bool:
        return self._signals.count > 0 or self._nodes.driver_leaving()

    def _over(self, cause: str = "") -> State:
        """The attempt is over, or lost: read the board for the last time, and conclude."""
        with contextlib.suppress(ClusterLost):
            self._status = self._attempt.status()
            self._display.show(self._status)
        return self._conclude(Decision(Action.RESTART, cause or self._attempt.error or "workers exited without an error"))

    def _conclude(self, decision: Decision) -> State:
        """End what is left of the attempt, record it, and decide how to continue."""
        noticed, outcome, moved = self._timer.now(), self._status.outcome, self.state is State.MOVING
        mismatch = self._status.mismatch
        if mismatch and decision.action is not Action.STOP:  # it may have been found at the very last step
            decision, outcome = Decision(Action.RESTORE, mismatch), None
        kind: EndKind = outcome.kind if outcome else "lost"
        cause = decision.reason if outcome is None else "moved" if moved else kind
        record = self._record(noticed, cause, lost=outcome is None)
        self._records.append(record)
        self._attempt_ended(record)
        slowest = max((rank.step_seconds for rank in self._status.ranks.values()), default=0.0)
        self._step_work = slowest * self._attempt.workers or self._step_work
        for name, seconds in self._status.seconds.items():
            self._seconds[name] = self._seconds.get(name, 0.0) + seconds
        if self._nodes.head_answers():
            self._attempt.end()
        if decision.action is not Action.STOP:
            decision = self._decide(decision, kind, record, moved)
        self._set_aside_bad_checkpoints()
        match decision.action:
            case Action.END:
                assert outcome is not None
                return self._done(replace(outcome, checkpoint=self._newest()) if kind == "diverged" else outcome)
            case Action.STOP:
                kind = "stopped" if self._signals.count < 2 else "failed"
                return self._done(self._outcome(kind, decision.reason))
            case Action.GIVE_UP:
                details = f" (details in {Store(self._job.run).label(FAILURE)})"
                return self._done(self._outcome("failed", decision.reason + details))
            case _:
                self._decision = decision
                return State.PREPARING

    def _decide(self, decision: Decision, kind: EndKind, record: AttemptRecord, moved: bool) -> Decision:
        """What to do after an attempt that ended by `decision`, or by itself."""
        self._attempts_without_progress = 0 if record.reached_step > self._best_step else self._attempts_without_progress + 1
        self._best_step = max(self._best_step, record.reached_step)
        self._failures += kind == "lost"
        ended = Ended(
            kind,
            reason=self._status.outcome.reason if self._status.outcome and kind != "lost" else decision.reason,
            failures=self._failures,
            attempts_without_progress=self._attempts_without_progress,
            rollbacks=self._rollbacks,
            stopping=self._stopping(),
            moved=moved,
        )
        then = after_end(ended, self._job.config.cluster.max_restarts)
        return decision if decision.action is Action.RESTORE and then.action is Action.RESTART else then

    def _set_aside_bad_checkpoints(self) -> None:
        """Set aside the checkpoints from a divergence or a mismatch on, however the launch continues: none may resume from them."""
        root, outcome = checkpoints_of(self._job.run), self._status.outcome
        if self._status.mismatch:
            self._rolled_back_to = roll_back(root, self._status.verified_step + 1)
        elif outcome is not None and outcome.kind == "diverged":
            every = self._job.config.run.checkpoint_every
            limit = rollback_limit(outcome.diverged_at, self._records[-1].resumed_step, self._rollbacks, every)
            self._rolled_back_to = roll_back(root, limit)

    def _prepare(self) -> State:
        """Lower the rate if need be, and report why there is another attempt."""
        decision = self._decision
        if decision.action is Action.ROLL_BACK:
            assert self._status.outcome is not None
            self._rollbacks += 1
            self._best_step = -1
            self._job = replace(self._job, rate=self._job.rate * RATE_FACTOR)
            rate = self._job.config.train.learning_rate * self._job.rate
            log.warning(
                f"the steps from {self._status.outcome.diverged_at:,} on have no effect ({decision.reason}): "
                f"rolling back to {self._rolled_back_to}, continuing as with train.learning_rate = {rate:g}"
            )
        elif decision.action is Action.RESTORE:
            log.warning(f"{decision.reason}: rolling back to {self._rolled_back_to}")
        elif decision.reason:
            log.warning(f"restarting the workers: {decision.reason}")
        self._waiting_since = self._timer.now()
        return State.WAITING

    def _give_way(self) -> State:
        """End the launch without touching the run, whose new owner may be writing."""
        return self._done(self._outcome("failed", f"run {self._job.config.run.name} was taken over by another process"))

    def _done(self, outcome: Outcome, temporary: bool = False) -> State:
        self._status.outcome, self._temporary = outcome, temporary
        return State.DONE

    def _outcome(self, kind: Literal["stopped", "failed"], reason: str = "") -> Outcome:
        """An outcome of the launch, not of an attempt."""
        step = max((record.reached_step for record in self._records), default=0)
        return Outcome(kind, step, self._newest(), reason)

    def _newest(self) -> str:
        return newest_checkpoint(checkpoints_of(self._job.run))

    def _record(self, ended: float, cause: str, lost: bool) -> AttemptRecord:
        status = self._status
        ready = [worker.step for worker in status.workers.values()]
        steps = [heartbeat.step for heartbeat in status.heartbeats.values()] + [status.progress.step if status.progress else 0]
        undetected = [
            max(rank.seconds_since_heartbeat, rank.seconds_since_step if rank.phase == "training" else 0.0)
            for rank in status.ranks.values()
        ]
        return AttemptRecord(
            began=self._began,
            ended=ended,
            entered=dict(status.entered),
            resumed_step=min(ready, default=0),
            reached_step=max(steps),
            trained_seconds=status.seconds.get("train", 0.0),
            cause=cause,
            undetected=max(undetected, default=0.0) if lost else 0.0,
        )

    def _report_recovery(self) -> None:
        """Report once per attempt what the recovery took, after its first step."""
        if self._recovery_reported or FIRST_STEP not in self._status.entered:
            return
        self._recovery_reported = True
        before = next((record for record in reversed(self._records) if FIRST_STEP in record.entered), None)
        if before:
            log.info(recovery(before, self._record(self._timer.now(), "", lost=False)).describe())


def timeouts_of(config: ClusterConfig) -> Timeouts:
    """The policy's timeouts."""
    return Timeouts(config.start_timeout + config.peer_timeout, config.peer_timeout, CLOSE_SECONDS + config.peer_timeout)
