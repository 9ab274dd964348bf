"""Jobs run side by side within a bound; results come in the order of the images; an error ends it."""

import threading
import time

import pytest

from cyclegan.inference.run_jobs import in_order, run_jobs
from cyclegan.inference.translation_plan import Job

JOBS = [Job((0, 3)), Job((1,)), Job((2, 4, 5)), Job((6,))]


def test_results_are_those_of_the_images_in_order() -> None:
    finished = run_jobs(JOBS, lambda job: [10 * i for i in job.images], 2)
    assert list(in_order(finished)) == [(i, 10 * i) for i in range(7)]


def test_an_image_is_reported_as_soon_as_those_before_it_are() -> None:
    held = in_order(iter([(Job((1, 2)), ["b", "c"]), (Job((0,)), ["a"]), (Job((4,)), ["e"])]))
    assert list(held) == [(0, "a"), (1, "b"), (2, "c")]


@pytest.mark.parametrize("at_once", [1, 3])
def test_no_more_jobs_are_held_than_allowed(at_once: int) -> None:
    held, most, lock = 0, 0, threading.Lock()

    def run(job: Job) -> list[int]:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        time.sleep(0.01)
        return list(job.images)

    for _, results in run_jobs((Job((i,)) for i in range(12)), run, at_once):
        time.sleep(0.01)  # a slow consumer
        assert len(results) == 1
        with lock:
            held -= 1
    assert most == at_once


def test_an_error_is_raised_and_later_jobs_do_not_begin() -> None:
    begun = []

    def run(job: Job) -> list[int]:
        begun.append(job)
        if job == JOBS[1]:
            raise OSError("full")
        return list(job.images)

    with pytest.raises(OSError, match="full"):
        list(run_jobs(JOBS * 10, run, 2))
    assert len(begun) <= 4
