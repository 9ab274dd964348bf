"""The jobs of a translation that wait, and what becomes of those at which an actor died. Pure: knows no Ray."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cyclegan.inference.translation_plan import Job

DEATHS = 2  # of actors at a job that ran alone, before it is split, or its only image given up


@dataclass
class JobQueue:
    """Jobs in order, those at which an actor died first.

    An actor may hold several jobs. When it dies, it is not known which of them did it, so each is repeated alone: one that dies with its
    actor alone DEATHS times is split into single images, and an image that does so is given up.
    """

    waiting: deque[Job]
    suspects: deque[Job] = field(default_factory=deque)
    deaths: Counter[Job] = field(default_factory=Counter)

    @classmethod
    def of(cls, jobs: Iterable[Job]) -> "JobQueue":
        """A queue of these jobs."""
        return cls(deque(jobs))

    def __bool__(self) -> bool:
        return bool(self.waiting or self.suspects)

    def next_for(self, held: Sequence[Job], most: int) -> Job | None:
        """Take the next job for an actor that holds `held`, at most `most` at a time; None if there is none for it now."""
        if not held and self.suspects:
            return self.suspects.popleft()
        if len(held) < most and self.waiting and not any(job in self.deaths for job in held):
            return self.waiting.popleft()
        return None

    def after_death(self, held: Sequence[Job]) -> list[int]:
        """Take back the jobs that an actor held when it died. Returns the images that are given up."""
        given_up = list[int]()
        for job in held:
            self.deaths[job] += len(held) == 1
            if self.deaths[job] < DEATHS:
                self.suspects.append(job)
            elif len(job.images) == 1:
                given_up += job.images
            else:
                singles = [Job((i,)) for i in job.images]
                self.deaths.update(dict.fromkeys(singles, 0))
                self.suspects.extend(singles)
        return given_up
