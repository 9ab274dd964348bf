"""Hands the jobs of a translation to actors, a few at a time, and replaces actors that die."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import ActorUnschedulableError, RayActorError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.translation.actor import TranslationActor
from cluster.translation.job_queue import JobQueue
from cluster.translation.placement import Seat
from cyclegan.inference.job_translator import IN_FLIGHT, Skipped, TranslationSettings, Written
from cyclegan.inference.run_jobs import Finished
from cyclegan.inference.translation_plan import Job, Shape
from ringcycle.errors import UserError

log = logging.getLogger(__name__)

LETHAL = "killed two actors"
STARTS = 3  # of an actor in a row that fail before its seat is given up
LOOK_SECONDS = 1.0  # between two looks at whether to stop
PATIENCE = 60.0  # seconds without any actor after which one line says so
LOST = (RayActorError, ActorUnschedulableError)


@dataclass
class _Member:
    """The actor on a seat and the jobs that it holds. starts: since one of its actors was last ready."""

    seat: Seat
    actor: Any = None
    starts: int = 0
    ready: bool = False
    held: list[Job] = field(default_factory=list)


class TranslationPool:
    """One actor on each seat. stopped: asked every second whether to end early."""

    def __init__(self, settings: TranslationSettings, shapes: Sequence[Shape], seats: Sequence[Seat], stopped: Callable[[], bool]) -> None:
        self._settings, self._shapes, self._stopped = ray.put(settings), shapes, stopped
        self._members = [_Member(seat) for seat in seats]
        self._calls: dict[Any, tuple[_Member, Job | None]] = {}

    def run(self, jobs: Sequence[Job], files: Sequence[tuple[Path, Path]]) -> Iterator[Finished[Written | Skipped]]:
        """Yield jobs with their results as they arrive; a job that was split comes in its parts.

        files: absolute paths of image and result, which all nodes see. Raises UserError from an actor, or if none can be kept alive.
        """
        queue, patience = JobQueue.of(jobs), time.monotonic() + PATIENCE
        try:
            for member in self._members:
                self._start(member)
            while (queue or any(member.held for member in self._members)) and not self._stopped():
                for call in ray.wait(list(self._calls), timeout=LOOK_SECONDS)[0]:
                    yield from self._receive(call, queue)
                for member in self._members:
                    self._fill(member, queue, files)
                if time.monotonic() > patience and not any(member.ready for member in self._members):
                    log.warning(f"no actor has started in {PATIENCE:.0f} s: others may hold the cluster's CPUs; waiting for them")
                    patience = float("inf")
        finally:
            self._calls.clear()
            for member in self._members:
                if member.actor is not None:
                    ray.kill(member.actor)

    def _start(self, member: _Member) -> None:
        """Put a new actor on a seat."""
        seat = member.seat
        there = NodeAffinitySchedulingStrategy(seat.node, soft=False)
        kind = ray.remote(TranslationActor).options(
            num_cpus=seat.cpus, scheduling_strategy=there, max_restarts=0, max_concurrency=IN_FLIGHT + 1
        )
        member.actor, member.ready, member.starts = kind.remote(self._settings, self._shapes, seat), False, member.starts + 1
        self._calls[member.actor.started.remote()] = (member, None)

    def _fill(self, member: _Member, queue: JobQueue, files: Sequence[tuple[Path, Path]]) -> None:
        """Give a ready actor the jobs that it may hold."""
        while member.ready and (job := queue.next_for(member.held, IN_FLIGHT)) is not None:
            member.held.append(job)
            self._calls[member.actor.translate.remote([files[i] for i in job.images], job.shape)] = (member, job)

    def _receive(self, call: Any, queue: JobQueue) -> Iterator[Finished[Written | Skipped]]:
        member, job = self._calls.pop(call)
        try:
            result = ray.get(call)
        except RayTaskError as error:
            raise (error.cause if isinstance(error.cause, UserError) else error) from None
        except LOST as error:
            for i in self._bury(member, queue, error):
                yield Job((i,)), [Skipped(LETHAL)]
            return
        if job is None:
            member.ready, member.starts = True, 0
            cores = ", ".join(map(str, result.cores))
            log.info(f"actor {self._members.index(member)}: process {result.pid} on {result.host}, cores {cores}")
        else:
            member.held.remove(job)
            yield job, result

    def _bury(self, member: _Member, queue: JobQueue, error: Exception) -> list[int]:
        """Replace an actor that died, unless its seat is given up; returns the images that are."""
        self._calls = {call: other for call, other in self._calls.items() if other[0] is not member}
        held, member.held, member.ready = member.held, [], False
        fact = (str(error).splitlines() or [type(error).__name__])[0]
        ray.kill(member.actor)
        member.actor = None
        if member.starts < STARTS and not isinstance(error, ActorUnschedulableError):
            log.warning(f"an actor died ({fact}); what it held is repeated")
            self._start(member)
        else:
            log.warning(f"actors on node {member.seat.node[:8]} keep dying ({fact}); the others continue")
            if all(other.actor is None for other in self._members):
                raise UserError(f"no actor can be kept alive ({fact}): check the memory of the nodes, and run the same command to continue")
        return queue.after_death(held)
