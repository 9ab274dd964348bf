"""Which settings to measure next, and which are the best so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

GAIN = 1.03  # times as fast as the best so far must be what replaces it: less is noise, and earlier ones are simpler
FORMS = (("auto", "float32"), ("plain", "float32"), ("auto", "bfloat16"))  # (convolution, precision)
ALLREDUCE_DTYPES = ("float32", "bfloat16")
MOST_BATCH = 64


@dataclass(frozen=True)
class Candidate:
    """Settings of one node. workers: of the node. threads: cores that each computes on. batch: images of each domain per worker."""

    workers: int
    threads: int
    convolution: str
    precision: str
    batch: int
    allreduce_dtype: str


@dataclass(frozen=True)
class Figures:
    """What short steps of a candidate took. memory: bytes of a worker between steps; peak: the most it had, as a rule while compiling."""

    seconds: float
    compile_seconds: float
    memory: int
    peak: int


@dataclass(frozen=True)
class Trial:
    """A candidate and its figures, or why it has none."""

    candidate: Candidate
    figures: Figures | None
    reason: str = ""

    @property
    def speed(self) -> float:
        """Images of each domain a second, of the node."""
        return self.candidate.workers * self.candidate.batch / self.figures.seconds if self.figures else 0.0


def worker_counts(cores: int, numa_workers: int) -> list[int]:
    """Workers worth a try on a node: one for each NUMA node, one for all, two for each NUMA node."""
    return [n for n in dict.fromkeys((numa_workers, 1, 2 * numa_workers)) if n <= cores]


def search(
    first: Candidate,
    forms: Sequence[tuple[str, str]],
    arrangements: Sequence[tuple[int, int]],
    memory: int,
    measure: Callable[[Candidate], Trial],
) -> list[Trial]:
    """Trials in the order they were made: one setting after the other is varied, from the best so far.

    forms (convolution, precision) and arrangements (workers, threads) to try.
    memory: bytes of the node; a batch that is likely to need more is not tried.
    """
    trials = [measure(first)]

    def attempt(candidate: Candidate) -> bool:
        """Whether it is the best now."""
        if candidate not in [trial.candidate for trial in trials]:
            trials.append(measure(candidate))
        return best(trials).candidate == candidate

    for convolution, precision in forms:
        attempt(replace(best(trials).candidate, convolution=convolution, precision=precision))
    for workers, threads in arrangements:
        attempt(replace(best(trials).candidate, workers=workers, threads=threads))
    while True:
        now = best(trials)
        wider = replace(now.candidate, batch=2 * now.candidate.batch)
        needed = 2 * now.candidate.workers * now.figures.memory if now.figures else 0
        if wider.batch > MOST_BATCH or needed > memory or not attempt(wider):
            break
    if best(trials).candidate.workers > 1:
        for dtype in ALLREDUCE_DTYPES:
            attempt(replace(best(trials).candidate, allreduce_dtype=dtype))
    return trials


def best(trials: Sequence[Trial]) -> Trial:
    """The fastest, unless an earlier one is nearly as fast."""
    result = trials[0]
    for trial in trials[1:]:
        if trial.speed > GAIN * result.speed:
            result = trial
    return result
