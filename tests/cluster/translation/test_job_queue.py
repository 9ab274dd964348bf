"""Jobs go out in order; those at which actors die are repeated alone, split, and given up image by image."""

from cluster.translation.job_queue import JobQueue
from cyclegan.inference.translation_plan import Job, Shape

SHAPE = Shape(8, 16, 16, 8)
FIRST, SECOND, THIRD, SHORT = Job((0, 2), SHAPE), Job((1,)), Job((3,)), Job((4,))


def test_jobs_go_out_in_order_up_to_a_number() -> None:
    queue = JobQueue.of([FIRST, SECOND, THIRD])
    assert queue.next_for([], 2) == FIRST
    assert queue.next_for([FIRST], 2) == SECOND
    assert queue.next_for([FIRST, SECOND], 2) is None
    assert queue.next_for([], 2) == THIRD
    assert not queue


def test_what_a_dead_actor_held_is_repeated_alone_and_first() -> None:
    queue = JobQueue.of([FIRST, SECOND, THIRD])
    held = [queue.next_for([], 2), queue.next_for([FIRST], 2)]
    assert queue.after_death([job for job in held if job]) == []
    assert queue.next_for([], 2) == FIRST
    assert queue.next_for([FIRST], 2) is None, "no other job beside it"
    assert queue.next_for([SHORT], 2) == THIRD
    assert queue.next_for([THIRD], 2) is None, "and it beside no other"
    assert queue.next_for([], 2) == SECOND


def test_a_job_that_kills_twice_alone_is_split_and_its_image_given_up() -> None:
    queue = JobQueue.of([FIRST])
    for _ in range(2):
        assert queue.next_for([], 2) == FIRST
        assert queue.after_death([FIRST]) == []
    deaths = {0: 0, 2: 0}
    given_up = list[int]()
    while queue:
        job = queue.next_for([], 2)
        assert job is not None and job.shape is None and len(job.images) == 1
        if job.images == (2,):  # the lethal one
            deaths[2] += 1
            given_up += queue.after_death([job])
    assert given_up == [2] and deaths == {0: 0, 2: 2}


def test_an_actor_that_held_nothing_costs_nothing() -> None:
    queue = JobQueue.of([FIRST])
    assert queue.after_death([]) == []
    assert queue.next_for([], 2) == FIRST
