import numpy as np
import pytest

from cluster.monitoring.weight_checksums import Agreement, checksum


def test_a_single_bit_changes_the_checksum() -> None:
    weights = np.arange(10_000, dtype=np.float32)
    before = checksum([weights, weights])
    assert before == checksum([weights.copy(), weights])
    weights.view(np.uint8)[20_001] ^= 1
    assert checksum([weights, weights]) != before


@pytest.mark.parametrize(
    ("values", "who"),
    [((7, 7, 7), ""), ((7, 8, 7), "worker 1 differ"), ((7, 8), "one worker or another differ"), ((1, 7, 7, 7, 2), "workers 0, 4 differ")],
)
def test_who_differs(values: tuple[int, ...], who: str) -> None:
    agreement = Agreement(len(values))
    for rank in range(len(values)):
        agreement.note(rank, 100, 5)
    for rank, value in enumerate(values):
        agreement.note(rank, 200, value)
    assert (who in agreement.differ) if who else (agreement.differ == "")
    assert agreement.agreed == (100 if who else 200)


def test_nothing_is_said_before_all_have_spoken() -> None:
    agreement = Agreement(2)
    agreement.note(0, 100, 1)
    agreement.note(0, 200, 1)
    assert (agreement.agreed, agreement.differ) == (0, "")
    agreement.note(1, 100, 1)
    assert agreement.agreed == 100
