"""Images that share a padded size share a program where that saves more than compiling costs; each image is in one job, in order."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclegan.config import ModelSpec
from cyclegan.inference.translation_plan import Job, Shape, Size, Speed, describe, memory_of, operations, padding, plan_jobs, shapes_of

RESNET_9 = ModelSpec()
UNET = ModelSpec(generator="unet", unet_depth=5)
FREE = Speed(compile_seconds=0, compile_seconds_per_block=0)
SQUARE, WIDE, DEEP = Size(256, 256, 8), Size(254, 253, 8), Size(256, 256, 16)


def test_operations_are_those_of_direct_convolution() -> None:
    assert operations(RESNET_9, 256, 256) == pytest.approx(99e9, rel=0.01)
    assert operations(RESNET_9, 512, 256) == 2 * operations(RESNET_9, 256, 256)


@pytest.mark.parametrize(
    ("images", "cores", "compiled"),
    [
        (10, 2, 0),  # each saves 0.6 s on 2 cores, and compiling takes 14 s
        (20, 2, 0),
        (24, 2, 24),
        (26, 2, 24),  # the last batch of 8 would be less than half full
        (28, 2, 28),
        (100, 24, 0),
        (400, 24, 400),
    ],
)
def test_a_program_is_compiled_where_it_saves_time(images: int, cores: int, compiled: int) -> None:
    jobs = plan_jobs([SQUARE] * images, RESNET_9, cores)
    assert sum(len(job.images) for job in jobs if job.shape) == compiled
    assert shapes_of(jobs) == ([Shape(8, 256, 256, 8)] if compiled else [])


@pytest.mark.parametrize(
    ("size", "filters", "batch"),
    [
        (SQUARE, 64, 8),
        (SQUARE, 32, 16),
        (Size(64, 64, 8), 64, 16),  # no more at a time, however small
        (Size(1, 3, 8), 64, 16),
        (Size(1080, 1920, 8), 64, 1),
        (Size(1440, 2560, 8), 64, 0),  # too large for a program
        (Size(1440, 2560, 8), 32, 1),
    ],
)
def test_a_batch_is_as_large_as_memory_should_hold(size: Size, filters: int, batch: int) -> None:
    model = RESNET_9.model_copy(update={"filters": filters})
    shapes = shapes_of(plan_jobs([size] * 200, model, 2, FREE))
    assert [shape.batch for shape in shapes] == ([batch] if batch else [])
    assert all(memory_of(shape, model) <= 3 * 2**30 for shape in shapes)


def test_only_equal_padded_sizes_and_bits_go_together() -> None:
    jobs = plan_jobs([SQUARE, WIDE, None, DEEP, SQUARE, DEEP] * 4, RESNET_9, 2, FREE)
    assert shapes_of(jobs) == [Shape(8, 256, 256, 8), Shape(8, 256, 256, 16)]
    assert jobs[:2] == [Job((0, 1, 4, 6, 7, 10, 12, 13), Shape(8, 256, 256, 8)), Job((2,))]
    assert jobs[2] == Job((3, 5, 9, 11, 15, 17, 21, 23), Shape(8, 256, 256, 16))
    assert describe(jobs) == "compiled by XLA: 12 of 256x256, 8 at a time; 8 of 256x256 with 16 bits, 8 at a time"
    assert describe([Job((0,))]) == ""


def test_the_programs_that_save_most_are_compiled() -> None:
    sizes = [Size(100 + 4 * kind, 100, 8) for kind in range(12) for _ in range(100 * (kind + 1))]
    heights = {shape.height for shape in shapes_of(plan_jobs(sizes, RESNET_9, 2))}
    assert heights == {100 + 4 * kind for kind in range(4, 12)}


@given(st.lists(st.none() | st.sampled_from([SQUARE, WIDE, DEEP, Size(8, 8, 8), Size(5000, 5000, 8)]), max_size=60), st.integers(1, 64))
def test_each_image_is_in_one_job(sizes: list[Size | None], cores: int) -> None:
    for speed in (None, FREE):
        jobs = plan_jobs(sizes, RESNET_9, cores, speed)
        assert sorted(chain.from_iterable(job.images for job in jobs)) == list(range(len(sizes)))
        assert [job.images[0] for job in jobs] == sorted(job.images[0] for job in jobs)
        assert all(len(job.images) <= (job.shape.batch if job.shape else 1) for job in jobs)


@pytest.mark.parametrize(
    ("model", "side", "added"),
    [*((RESNET_9, side, added) for side, added in [(1, 7), (7, 1), (8, 0), (9, 3), (12, 0)]), (UNET, 1, 31), (UNET, 32, 0), (UNET, 33, 31)],
)
def test_padding(model: ModelSpec, side: int, added: int) -> None:
    exact = model.smallest
    assert padding(side, exact, model) == ((0, added), (0, 0))
    assert padding(exact, side, model) == ((0, 0), (0, added))
