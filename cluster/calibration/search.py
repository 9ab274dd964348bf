"""Decides which settings to measure next, and which are the best so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

GAIN = 1.03  # speed, relative to the best so far, that replaces it: less is noise, and earlier candidates are simpler
NETWORKS = (("auto", "float32"), ("plain", "float32"), ("auto", "bfloat16"))  # (convolution, precision)
ALLREDUCE_DTYPES = ("float32", "bfloat16")
MAX_BATCH = 64


@dataclass(frozen=True)
class Candidate:
    """Settings for one node. workers: on the node. threads: cores that each worker computes on. batch: images per domain and worker."""

    workers: int
    threads: int
    convolution: str
    precision: str
    batch: int
    allreduce_dtype: str


@dataclass(frozen=True)
class Figures:
    """What a candidate's steps took. memory: bytes of a worker between steps. peak: its maximum, usually while compiling."""

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
        """Images per domain and second, on the node."""
        return self.candidate.workers * self.candidate.batch / self.figures.seconds if self.figures else 0.0


def worker_counts(cores: int, numa_workers: int) -> list[int]:
    """Numbers of workers worth trying on a node: one per NUMA node, one in all, two per NUMA node."""
    return [n for n in dict.fromkeys((numa_workers, 1, 2 * numa_workers)) if n <= cores]


def search(
    first: Candidate,
    networks: Sequence[tuple[str, str]],
    arrangements: Sequence[tuple[int, int]],
    memory: int,
    measure: Callable[[Candidate], Trial],
) -> list[Trial]:
    """Vary one setting after another, each from the best candidate so far. Returns the trials in the order they were made.

    networks, arrangements: what to try, as (convolution, precision) and (workers, threads).
    memory: bytes of the node; a batch that is likely to need more is not tried.
    """
    trials = [measure(first)]

    def try_out(candidate: Candidate) -> bool:
        """Measure `candidate` if it is new. Returns whether it is the best now."""
        if candidate not in [trial.candidate for trial in trials]:
            trials.append(measure(candidate))
        return best(trials).candidate == candidate

    for convolution, precision in networks:
        try_out(replace(best(trials).candidate, convolution=convolution, precision=precision))
    for workers, threads in arrangements:
        try_out(replace(best(trials).candidate, workers=workers, threads=threads))
    while True:
        now = best(trials)
        wider = replace(now.candidate, batch=2 * now.candidate.batch)
        needed = 2 * now.candidate.workers * now.figures.memory if now.figures else 0
        if wider.batch > MAX_BATCH or needed > memory or not try_out(wider):
            break
    if best(trials).candidate.workers > 1:
        for dtype in ALLREDUCE_DTYPES:
            try_out(replace(best(trials).candidate, allreduce_dtype=dtype))
    return trials


def best(trials: Sequence[Trial]) -> Trial:
    """The fastest trial, unless an earlier one is nearly as fast."""
    result = trials[0]
    for trial in trials[1:]:
        if trial.speed > GAIN * result.speed:
            result = trial
    return result
