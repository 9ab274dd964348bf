"""The plan: each image once, the same order for any number of workers and from any step, uniform crops and flips."""

import dataclasses
import hashlib
import itertools
import math
import time
import tracemalloc
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocess.feed.plan import Plan, Rows, WorkerShare, offset
from preprocess.images.colour_jitter import JitterStrengths

STRENGTHS = JitterStrengths(0.2, 0.4, 1.0, 0.5)


def make(sizes: tuple[int, int] = (7, 12), seed: int = 0, crop_size: tuple[int, int] = (24, 24), flip: bool = True) -> Plan:
    return Plan(sizes, seed, crop_size, flip)


def make_all(sizes: tuple[int, int] = (7, 12), seed: int = 0) -> Plan:
    """With all that a plan can decide."""
    return Plan(sizes, seed, (24, 24), flip=True, flip_vertical=True, rotate=True, jitter=STRENGTHS)


def rows_at(plan: Plan, position: int, count: int) -> Rows:
    """The rows of the positions position … position + count - 1."""
    return plan.worker_rows(position, WorkerShare(rank=0, workers=1, batch=count))


def part(rows: Rows, which: slice) -> Rows:
    """Some of the rows."""
    return Rows(*(None if array is None else array[:, which] for array in fields(rows)))


def fields(rows: Rows) -> list[npt.NDArray[Any] | None]:
    return [getattr(rows, field.name) for field in dataclasses.fields(rows)]


def arrays(rows: Rows) -> list[npt.NDArray[Any]]:
    return [array for array in fields(rows) if array is not None]


def same(one: Rows, other: Rows) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(arrays(one), arrays(other), strict=True))


def chi_square(counts: npt.NDArray[np.int64]) -> float:
    """Distance of the counts from uniform, in standard deviations of chi-square (Wilson, Hilferty: near normal)."""
    expected = counts.sum() / counts.size
    freedom = counts.size - 1
    ratio = float(((counts - expected) ** 2 / expected).sum()) / freedom
    return (math.cbrt(ratio) - 1 + 2 / (9 * freedom)) / math.sqrt(2 / (9 * freedom))


def test_shapes_and_types() -> None:
    rows, types = rows_at(make_all(), position=5, count=3), ("int64", "uint32", "uint32", "bool", "bool", "int64")
    *drawn, jitter, paired = [(a.shape, a.dtype) for a in arrays(rows)]
    assert drawn == [((2, 3), np.dtype(t)) for t in types]
    assert (jitter, paired) == (((2, 3, 5), np.dtype("float64")), ((2, 3), np.dtype("bool")))


def test_draws_of_earlier_versions() -> None:
    rows = Plan((7, 12), 3, (24, 24), True).worker_rows(1000, WorkerShare(rank=1, workers=2, batch=8), steps=3)
    digest = hashlib.sha256(b"".join(array.tobytes() for array in (rows.index, rows.top, rows.left, rows.flip)))
    assert digest.hexdigest()[:16] == "d0663230a9a4d17e"
    assert not rows.flip_vertical.any() and not rows.turns.any() and rows.jitter is None and not rows.paired.any()


@pytest.mark.parametrize("size", [*range(1, 201), 211, 997, 1009, 4099])
def test_every_cycle_is_a_permutation(size: int) -> None:
    plan = make(sizes=(size, size))
    index = rows_at(plan, 0, 3 * size).index.reshape(2, 3, size)
    assert np.array_equal(np.sort(index, axis=2), np.broadcast_to(np.arange(size), (2, 3, size)))


def test_each_image_of_the_larger_domain_once_per_epoch() -> None:
    plan = make(sizes=(7, 12))
    assert plan.epoch_length == 12
    for epoch in range(5):
        index = rows_at(plan, epoch * 12, 12).index
        assert sorted(index[1]) == list(range(12))
        assert set(np.bincount(index[0], minlength=7)) <= {1, 2, 3}  # 12 positions touch two or three permutations of 7


def test_smaller_domain_is_a_chain_of_its_own_permutations() -> None:
    chain = rows_at(make(sizes=(7, 12)), 0, 7 * 12).index[0].reshape(12, 7)
    assert all(sorted(cycle) == list(range(7)) for cycle in chain)
    assert len({tuple(cycle) for cycle in chain}) == 12


def test_domains_have_their_own_order() -> None:
    rows = rows_at(make_all(sizes=(50, 50)), 0, 50)
    *drawn, paired = arrays(rows)
    assert all(not np.array_equal(a[0], a[1]) for a in drawn) and not paired.any()


def test_orders_of_few_images_are_uniform() -> None:
    size, cycles = 4, 24_000
    orders = rows_at(make(sizes=(size, size)), 0, cycles * size).index.reshape(2 * cycles, size) @ size ** np.arange(size)
    _, counts = np.unique(orders, return_counts=True)
    assert counts.size == math.factorial(size)
    assert abs(chi_square(counts)) < 4  # one seed in 30,000 would fail


def test_neighbours_are_unrelated() -> None:
    size = 10_007
    index = rows_at(make(sizes=(size, size)), 0, size).index
    steps = np.diff(index, axis=1) % size * 16 // size
    assert abs(chi_square(np.bincount(steps.ravel(), minlength=16))) < 4


@given(
    sizes=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    sizes_of_group=st.sampled_from([(n, w) for n in (1, 2, 4, 6, 12) for w in (1, 2, 3, 4, 6, 12) if n % w == 0]),
    position=st.integers(0, 10**12),
    steps=st.integers(1, 5),
)
@settings(deadline=None, max_examples=50)
def test_workers_interleaved_equal_one(sizes: tuple[int, int], sizes_of_group: tuple[int, int], position: int, steps: int) -> None:
    global_batch, workers = sizes_of_group
    plan = make_all(sizes)
    together = rows_at(plan, position, steps * global_batch)
    for rank in range(workers):
        share = WorkerShare(rank, workers, global_batch // workers)
        assert same(plan.worker_rows(position, share, steps), part(together, slice(rank, None, workers)))


def test_many_steps_equal_each_step() -> None:
    plan, share = make_all(), WorkerShare(rank=1, workers=3, batch=2)
    together = plan.worker_rows(9, share, steps=4)
    for step in range(4):
        assert same(plan.worker_rows(9 + 6 * step, share), part(together, slice(2 * step, 2 * step + 2)))


@pytest.mark.parametrize("sizes", [(1, 1), (1, 5), (3, 2), (7, 12)])
def test_started_anywhere_equals_the_tail(sizes: tuple[int, int]) -> None:
    total = 3 * max(sizes)
    together = rows_at(make_all(sizes), 0, total)
    for position in range(total):
        assert same(rows_at(make_all(sizes), position, total - position), part(together, slice(position, None)))


@pytest.mark.parametrize(("global_batch", "workers"), [(5, 1), (5, 5), (8, 4), (30, 3)])
def test_batches_that_divide_no_domain_lose_no_image_and_resume_from_any_step(global_batch: int, workers: int) -> None:
    def epochs(first_step: int) -> list[Rows]:
        return [
            make().worker_rows(step * global_batch, WorkerShare(rank, workers, global_batch // workers))
            for step in range(first_step, 12)
            for rank in range(workers)
        ]

    every_step = epochs(0)
    seen = np.concatenate([rows.index[1] for rows in every_step])  # 12 steps are global_batch epochs of the larger domain, 12 images
    assert np.array_equal(np.bincount(seen), [global_batch] * 12)
    for step in range(12):
        assert all(same(one, other) for one, other in zip(epochs(step), every_step[step * workers :], strict=True))


def test_seeds_and_epochs_are_not_summed() -> None:
    size = 40
    orders = {
        (seed, epoch): [array[1].tobytes() for array in arrays(rows)]
        for seed, epoch in itertools.product(range(4), range(4))
        for rows in [rows_at(make_all(sizes=(size, size), seed=seed), epoch * size, size)]
    }
    for which in range(7):
        assert len({order[which] for order in orders.values()}) == 16


def test_crops_and_flips_are_uniform_and_independent() -> None:
    rows = rows_at(make(), 0, 50_000)
    for domain in range(2):
        code = (offset(rows.top[domain], 6) * 7 + offset(rows.left[domain], 6)) * 2 + rows.flip[domain]
        counts = np.bincount(code, minlength=7 * 7 * 2)
        assert counts.size == 98  # both ends of the range occur, nothing beyond
        assert abs(chi_square(counts)) < 4  # one seed in 30,000 would fail


def test_mirrored_and_turned_crops_are_uniform_and_independent() -> None:
    rows = rows_at(make_all(), 0, 50_000)
    for domain in range(2):
        code = (rows.turns[domain] * 2 + rows.flip_vertical[domain]) * 2 + rows.flip[domain]
        counts = np.bincount(code, minlength=16)
        assert counts.size == 16
        assert abs(chi_square(counts)) < 4  # one seed in 30,000 would fail


def test_jitters_are_uniform_within_their_strengths() -> None:
    jitter = rows_at(make_all(), 0, 50_000).jitter
    assert jitter is not None
    for domain in range(2):
        *values, order = jitter[domain].T
        shares = [(value - centre) / strength for value, centre, strength in zip(values, (1, 1, 1, 0), STRENGTHS, strict=True)]
        for share in shares:
            assert -1 <= share.min() < -0.999 and 0.999 < share.max() <= 1
            assert abs(chi_square(np.bincount(((share + 1) * 10).astype(int).clip(0, 19), minlength=20))) < 4
        assert abs(chi_square(np.bincount(order.astype(int), minlength=24))) < 4
        assert np.abs(np.corrcoef(shares) - np.eye(4)).max() < 0.03  # 1 / sqrt(50,000) is 0.0045


def test_a_strength_of_zero_leaves_its_quantity() -> None:
    jitter = rows_at(dataclasses.replace(make(), jitter=JitterStrengths(contrast=0.3)), 0, 100).jitter
    assert jitter is not None
    assert (jitter[..., [0, 2]] == 1).all() and (jitter[..., 3] == 0).all() and np.unique(jitter[..., 1]).size == 200


def test_crops_of_any_shape_take_the_same_images_and_offsets() -> None:
    assert same(rows_at(make(crop_size=(24, 48)), 3, 100), rows_at(make(), 3, 100))
    with pytest.raises(AssertionError):
        Plan((7, 12), 0, (24, 48), flip=True, rotate=True)


def test_each_decision_leaves_the_others() -> None:
    everything = fields(rows_at(make_all(), 0, 100))
    for number, changes in {3: {"flip": False}, 4: {"flip_vertical": False}, 5: {"rotate": False}, 6: {"jitter": (0, 0, 0, 0)}}.items():
        one_less = fields(rows_at(dataclasses.replace(make_all(), **changes), 0, 100))  # type: ignore[arg-type]
        assert [np.array_equal(a, b) for a, b in zip(everything, one_less, strict=True)] == [which != number for which in range(8)]


def test_without_room_there_is_no_offset_and_without_flip_no_mirroring() -> None:
    rows = rows_at(make(flip=False), 0, 100)
    assert not offset(rows.top, 0).any() and not offset(rows.left, 0).any() and not rows.flip.any()


def test_offsets_cover_all_that_an_image_allows() -> None:
    shares = np.array([0, 2**31 - 1, 2**31, 2**32 - 1], np.uint32)
    assert offset(shares, 1).tolist() == [0, 0, 1, 1] and offset(shares, 2**20 - 1).tolist() == [0, 2**19 - 1, 2**19, 2**20 - 1]


def test_ten_million_images_cost_no_more_than_ten() -> None:
    large, small = make(sizes=(10_000_000, 9_999_991)), make(sizes=(10, 9))
    share = WorkerShare(rank=0, workers=1, batch=8)
    seconds: dict[Plan, list[float]] = {large: [], small: []}
    for step in range(100):
        for plan, times in seconds.items():
            begin = time.perf_counter()
            plan.worker_rows(step * 10_007, share)
            times.append(time.perf_counter() - begin)
    # The best of 100 alternating calls is 0.5 ms for both; a permutation of 10 million in a table would take half a second.
    assert min(seconds[large]) < 2 * min(seconds[small])
    assert min(seconds[large]) < 5e-3  # ten times that, for a busy machine

    tracemalloc.start()
    large.worker_rows(123_456_789, share)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000  # bytes: a table of the images would be 80 million
