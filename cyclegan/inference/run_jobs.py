"""Jobs side by side, a few ahead of the one that is waited for, and their results in the order of the images."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from cyclegan.inference.translation_plan import Job

R = TypeVar("R")

Finished = tuple[Job, list[R]]
"""A job, and the result of each of its images."""


def run_jobs(jobs: Iterable[Job], run: Callable[[Job], list[R]], at_once: int) -> Iterator[Finished[R]]:
    """Run jobs in threads, and yield them in order. No more are held than `at_once`, finished or not. Raises what `run` raises."""
    running: deque[tuple[Job, Future[list[R]]]] = deque()
    pool = ThreadPoolExecutor(at_once, "jobs")
    try:
        for job in jobs:
            running.append((job, pool.submit(run, job)))
            if len(running) == at_once:
                yield _first(running)
        while running:
            yield _first(running)
    finally:
        pool.shutdown(cancel_futures=True)


def in_order(finished: Iterable[Finished[R]]) -> Iterator[tuple[int, R]]:
    """Index and result of each image, from index 0 on without a gap, whatever the order of the jobs."""
    held: dict[int, R] = {}
    following = 0
    for job, results in finished:
        held.update(zip(job.images, results, strict=True))
        while following in held:
            yield following, held.pop(following)
            following += 1


def _first(running: deque[tuple[Job, Future[list[R]]]]) -> Finished[R]:
    job, future = running.popleft()
    return job, future.result()
