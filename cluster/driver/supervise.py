"""Keeps a training going: looks at it, has `policy` decide, acts. The only place that starts, ends and resizes the group."""

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cluster.checkpointing.resume import newest_checkpoint
from cluster.checkpointing.retention import set_aside
from cluster.driver.attempt import Attempt, ClusterLost, Group
from cluster.driver.goodput import AttemptRecord, Goodput, goodput, recovery
from cluster.driver.nodes import Nodes, head_answers
from cluster.driver.policy import (
    RATE_FACTOR,
    Act,
    Decision,
    Ended,
    Patience,
    Running,
    after_end,
    go_back_before,
    while_running,
    workers_now,
)
from cluster.driver.signals import Interrupts, Preload
from cluster.job import CLOSE_SECONDS, Job
from cluster.monitoring.status import Outcome, RunStatus
from cluster.paths import FAILURE, GOODPUT, checkpoints_of
from cyclegan.checkpoint_files import DamagedCheckpoint, checkpoints, step_of, verify
from ringcycle.storage.location import Location
from ringcycle.storage.store import Store, reading

POLL_SECONDS = 0.2


@dataclass
class Report:
    """How a launch ended. news: of its last start, with an outcome. temporary: whether starting it again may help."""

    news: RunStatus
    goodput: Goodput
    temporary: bool = False


@dataclass
class Supervisor:
    """One launch. line, phase, show: where lines, what goes on, and the news of a start are shown."""

    job: Job
    cpus: int
    preload: Preload
    interrupts: Interrupts
    line: Callable[[str], None]
    phase: Callable[[str], None]
    show: Callable[[RunStatus], None]
    _lives: list[AttemptRecord] = field(default_factory=list)
    _losses: int = 0
    _vain: int = 0
    _retreats: int = 0
    _best: int = -1
    _seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._nodes = Nodes(self.job.config, self.cpus, self.job.gpu)

    def run(self) -> Report:
        """Train until an outcome, a stop, or until nothing helps."""
        launched = time.monotonic()
        self.preload.wait()
        news, temporary = RunStatus(), False
        while True:
            workers = self._wait_for_room()
            if workers == 0:
                news.outcome, temporary = self._no_room(), True
                break
            news, decision = self._one_start(workers)
            if decision.act is Act.END:
                break
            if decision.act in (Act.STOP, Act.GIVE_UP):
                stopped = decision.act is Act.STOP and self.interrupts.count < 2
                where = f" (all of it is in {Store(self.job.run).label(FAILURE)})" if decision.act is Act.GIVE_UP else ""
                news.outcome = Outcome("stopped" if stopped else "failed", self._step(), self._newest(), decision.reason + where)
                break
            self._prepare(decision, news)
        news.seconds |= self._seconds
        report = Report(news, goodput(launched, time.monotonic(), self._lives), temporary)
        with contextlib.suppress(OSError):
            Store(self.job.run).write(GOODPUT, json.dumps(report.goodput.as_json(), indent=1).encode())
        return report

    def _one_start(self, workers: int) -> tuple[RunStatus, Decision]:
        start = Attempt(self.job, Group(workers, self.cpus, self.job.gpu), self._patience(), len(self._lives) + 1)
        start.start()
        news, why, asked, moved, told, over = RunStatus(), "", False, False, False, float("inf")
        while start.is_alive() and time.monotonic() < over:
            start.join(POLL_SECONDS)
            try:
                news = start.news()
                status = self._status(start, news, asked)
            except ClusterLost as lost:
                why = str(lost)
                break
            self.show(news)
            told = told or self._tell_recovery(start, news)
            if news.outcome:
                if news.outcome.kind == "failed":
                    break
                over = min(over, time.monotonic() + self.job.config.cluster.peer_timeout)  # for its processes to end
                continue
            decision = while_running(status, self._patience())
            if decision.act in (Act.SAVE_AND_STOP, Act.SAVE_AND_MOVE):
                asked, moved = True, decision.act is Act.SAVE_AND_MOVE
                start.ask_to_stop()
                self.line(decision.reason)
            elif decision.act is not Act.WAIT:
                return news, self._conclude(start, news, decision, moved)
        with contextlib.suppress(ClusterLost):
            news = start.news()
            self.show(news)
        return news, self._conclude(start, news, Decision(Act.START_AGAIN, why or start.error or "its workers ended without a word"), moved)

    def _conclude(self, start: Attempt, news: RunStatus, decision: Decision, moved: bool) -> Decision:
        """End what is left of a start, remember it, and decide how to go on."""
        noticed = time.monotonic()
        outcome = news.outcome
        kind = outcome.kind if outcome else "lost"
        cause = decision.reason if outcome is None else "moved" if moved else kind
        life = self._life(start, news, noticed, cause, lost=outcome is None)
        self._lives.append(life)
        for name, seconds in news.seconds.items():
            self._seconds[name] = self._seconds.get(name, 0.0) + seconds
        if head_answers():
            start.end()
        if decision.act is Act.STOP:
            return decision
        self._vain = 0 if life.reached > self._best else self._vain + 1
        self._best = max(self._best, life.reached)
        reason = outcome.reason if outcome else decision.reason
        self._losses += kind == "lost"
        ended = Ended(kind, reason, self._losses, self._vain, self._retreats, self.interrupts.count, moved)
        then = after_end(ended, self.job.config.cluster.max_restarts)
        return decision if decision.act is Act.RESTORE and then.act is Act.START_AGAIN else then

    def _prepare(self, decision: Decision, news: RunStatus) -> None:
        """What must be done before the next start, and the line that says so."""
        if decision.act is Act.RETREAT:
            assert news.outcome is not None
            before = go_back_before(news.outcome.diverged_at, self._lives[-1].resumed, self._retreats, self.job.config.run.checkpoint_every)
            self._retreats += 1
            self.job = replace(self.job, rate=self.job.rate * RATE_FACTOR)
            self._best = -1
            where = go_back(checkpoints_of(self.job.run), before)
            rate = self.job.config.train.learning_rate * self.job.rate
            self.line(
                f"step {news.outcome.diverged_at:,} and those after it have no effect ({decision.reason}): back to {where}, "
                f"as with train.learning_rate = {rate:g}"
            )
        elif decision.act is Act.RESTORE:
            self.line(f"{decision.reason}: back to {go_back(checkpoints_of(self.job.run), news.verified_step + 1)}")
        elif decision.reason:
            self.line(f"the group starts again: {decision.reason}")

    def _status(self, start: Attempt, news: RunStatus, asked: bool) -> Running:
        larger, larger_for = self._nodes.larger(start.workers)
        return Running(
            workers=start.workers,
            age=time.monotonic() - start.began,
            ranks=news.ranks,
            signals=self.interrupts.count,
            asked=asked,
            draining=self._nodes.leaving(beat.node for beat in news.heartbeats.values()),
            larger=larger,
            larger_for=larger_for,
            short=self._nodes.short(start.workers),
            mismatch=news.mismatch,
        )

    def _wait_for_room(self) -> int:
        """How many workers to start now; 0 if a signal came, or too few fit for too long, or the cluster is gone."""
        began, valid = time.monotonic(), self.job.config.valid_workers
        while not self.interrupts.count:
            if not head_answers():
                return 0
            fit = self._nodes.room()
            workers = workers_now(fit, valid, time.monotonic() - began, self.job.config.cluster.node_timeout)
            if workers is not None:
                if 0 < workers < valid[0]:
                    self.line(f"going on with {workers} of {valid[0]} workers: the nodes have room for {fit}")
                return workers
            self.phase(f"waiting for nodes: there is room for {fit} of {valid[0]} workers")
            time.sleep(POLL_SECONDS)
        return 0

    def _no_room(self) -> Outcome:
        step, newest, config = self._step(), self._newest(), self.job.config.cluster
        if self.interrupts.count:
            return Outcome("stopped", step, newest)
        if not head_answers():
            return Outcome("failed", step, newest, "the head of the Ray cluster does not answer: start it, then the same command again")
        fact = f"the nodes have had room for {self._nodes.room()} only, for {config.node_timeout:.0f} s (cluster.node_timeout)"
        return Outcome("failed", step, newest, f"cluster.workers = {config.workers}, but {fact}: bring nodes back, or allow fewer workers")

    def _life(self, start: Attempt, news: RunStatus, noticed: float, cause: str, lost: bool) -> AttemptRecord:
        ready = [worker.step for worker in news.workers.values()]
        steps = [beat.step for beat in news.heartbeats.values()] + [news.progress.step if news.progress else 0]
        silent = [
            max(rank.seconds_since_heartbeat, rank.seconds_since_step if rank.phase == "training" else 0.0) for rank in news.ranks.values()
        ]
        return AttemptRecord(
            began=start.began,
            noticed=noticed,
            entered=dict(news.entered),
            resumed=min(ready, default=0),
            reached=max(steps),
            trained=news.seconds.get("train", 0.0),
            cause=cause,
            blind=max(silent, default=0.0) if lost else 0.0,
        )

    def _tell_recovery(self, start: Attempt, news: RunStatus) -> bool:
        """Say once what it took to come back; whether that was said, or there is nothing to say."""
        before = next((life for life in reversed(self._lives) if "stepped" in life.entered), None)
        if before is None:
            return True
        if "stepped" not in news.entered:
            return False
        self.line(recovery(before, self._life(start, news, time.monotonic(), "", lost=False)).describe())
        return True

    def _patience(self) -> Patience:
        cluster = self.job.config.cluster
        return Patience(cluster.start_timeout + cluster.peer_timeout, cluster.peer_timeout, CLOSE_SECONDS + cluster.peer_timeout)

    def _step(self) -> int:
        return max((life.reached for life in self._lives), default=0)

    def _newest(self) -> str:
        return newest_checkpoint(checkpoints_of(self.job.run))


def go_back(root: Location, before: int) -> str:
    """Put aside all checkpoints but the newest whole one of a step before `before` and those older; says which one that is."""
    with reading(root, "run.storage"):
        for folder in reversed(checkpoints(root)):
            if (step_of(folder) or 0) < before:
                with contextlib.suppress(DamagedCheckpoint):
                    verify(folder)
                    set_aside(root, folder)
                    return f"the checkpoint of step {step_of(folder):,}"
        set_aside(root, None)
    return "the beginning"
