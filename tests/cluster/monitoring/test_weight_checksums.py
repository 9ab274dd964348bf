import numpy as np
import pytest

from cluster.monitoring.weight_checksums import ChecksumComparison, checksum


def test_a_single_bit_changes_the_checksum() -> None:
    weights = np.arange(10_000, dtype=np.float32)
    before = checksum([weights, weights])
    assert before == checksum([weights.copy(), weights])
    weights.view(np.uint8)[20_001] ^= 1
    assert checksum([weights, weights]) != before


@pytest.mark.parametrize(
    ("values", "who"),
    [((7, 7, 7), ""), ((7, 8, 7), "worker 1 differ"), ((7, 8), "at least one worker differ"), ((1, 7, 7, 7, 2), "workers 0, 4 differ")],
)
def test_who_differs(values: tuple[int, ...], who: str) -> None:
    comparison = ChecksumComparison(len(values))
    for rank in range(len(values)):
        comparison.add(rank, 100, 5)
    for rank, value in enumerate(values):
        comparison.add(rank, 200, value)
    assert (who in comparison.mismatch) if who else (comparison.mismatch == "")
    assert comparison.verified_step == (100 if who else 200)


def test_no_verdict_before_all_workers_have_reported() -> None:
    comparison = ChecksumComparison(2)
    comparison.add(0, 100, 1)
    comparison.add(0, 200, 1)
    assert (comparison.verified_step, comparison.mismatch) == (0, "")
    comparison.add(1, 100, 1)
    assert comparison.verified_step == 100
