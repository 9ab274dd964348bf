"""Known pairs in the plan: partners meet, cut alike, and nothing else changes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from preprocess.feed.augment import batches
from preprocess.feed.pairs import NO_PAIRS, Pairs
from preprocess.feed.plan import Plan, Rows, WorkerShare
from preprocess.feed.reader import Reader
from preprocess.images.colour_jitter import JitterStrengths
from tests.preprocess.feed.test_plan import fields, make_all, part, rows_at, same
from tests.preprocess.small_shards import PLAN, expected, make_shards

PAIRS = Pairs(np.array([1, 3, 6]), np.array([11, 0, 3]))
WITH = dataclasses.replace(make_all(), pairs=PAIRS)


def columns(rows: Rows, which: object) -> list[object]:
    """Each array at some rows of both domains, except which images they are and whether they are pairs."""
    return [array[:, which] for array in fields(dataclasses.replace(rows, index=rows.top, paired=rows.top)) if array is not None]


def test_partners_meet_cut_alike() -> None:
    rows = rows_at(WITH, 5, 200)
    assert rows.jitter is not None
    partner = dict(zip(PAIRS.a.tolist(), PAIRS.b.tolist(), strict=True))
    np.testing.assert_array_equal(rows.paired, [np.isin(rows.index[0], PAIRS.a)] * 2)
    paired = rows.paired[0]
    assert rows.index[1, paired].tolist() == [partner[image] for image in rows.index[0, paired].tolist()]
    for array in (rows.top, rows.left, rows.flip, rows.flip_vertical, rows.turns):
        np.testing.assert_array_equal(array[0, paired], array[1, paired])
        assert len(np.unique(array[0, paired])) > 1
        assert (array[0, ~paired] != array[1, ~paired]).any()
    assert (rows.jitter[:, paired] == (1, 1, 1, 0, 0)).all() and (rows.jitter[:, ~paired, :4] != (1, 1, 1, 0)).all()


def test_all_else_is_as_without_pairs() -> None:
    rows, before = rows_at(WITH, 5, 200), rows_at(make_all(), 5, 200)
    assert same(part(dataclasses.replace(rows, paired=before.paired), ~rows.paired[0]), part(before, ~rows.paired[0]))
    for one, other in zip(fields(rows)[:6], fields(before)[:6], strict=True):
        np.testing.assert_array_equal(one[0], other[0])  # type: ignore[index]
    assert same(rows_at(dataclasses.replace(make_all(), pairs=Pairs()), 5, 200), before)
    assert not before.paired.any()


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_and_starts_do_not_matter(workers: int) -> None:
    whole = rows_at(WITH, 0, 40)
    for rank in range(workers):
        share = WorkerShare(rank, workers, 8 // workers)
        for step in range(5):
            got = WITH.worker_rows(8 * step, share, 5 - step)
            assert same(got, part(whole, slice(8 * step + rank, None, workers)))


def test_paired_crops_show_the_same_pixels() -> None:
    """Domain B is domain A in another order: a pair's two crops are equal, to the pixel."""
    images = np.random.default_rng(0).integers(0, 256, (7, 20, 20, 3), np.uint8)
    order = np.random.default_rng(1).permutation(7)
    plan = Plan((7, 7), 2, (8, 8), True, True, True, JitterStrengths(0.3, 0.3, 0.3, 0.1), Pairs(np.arange(0, 7, 2), np.argsort(order)[::2]))
    rows = plan.worker_rows(0, WorkerShare(0, 1, 70))
    (a, b), paired = batches((images.__getitem__, images[order].__getitem__), rows, 1, (8, 8))[0], rows.paired[0]
    assert paired.sum() == 40
    np.testing.assert_array_equal(a[paired], b[paired])
    assert all((one != other).any() for one, other in zip(a[~paired], b[~paired], strict=True))


def test_batches_of_shards(tmp_path: Path) -> None:
    plan, share = dataclasses.replace(PLAN, pairs=Pairs(np.array([0, 5, 12]), np.array([19, 5, 2]))), WorkerShare(1, 2, 4)
    chunk = Reader(make_shards(tmp_path), plan, share).read(8, steps=4)
    assert plan.worker_rows(8, share, 4).paired.any()
    np.testing.assert_array_equal(chunk, [expected(8 + 8 * step, share, plan=plan) for step in range(4)])


def test_the_fingerprint_is_of_the_pairs() -> None:
    assert NO_PAIRS.fingerprint() == Pairs().fingerprint() == "" and len(NO_PAIRS) == 0
    prints = {
        Pairs(np.array(a), np.array(b)).fingerprint()
        for a, b in (((1, 3), (11, 0)), ((1, 3), (0, 11)), ((1,), (11,)), ((1, 3), (11, 0)), ((11, 12), (1, 3)))
    }
    assert len(prints) == 4 and {len(one) for one in prints} == {16}
