from typing import Any

import numpy as np
import pytest

from cluster.board import Progress
from cluster.console import duration, progress_text
from cluster.hooks import Moment, every


def moment(step: int, last: bool = False) -> Moment:
    nothing: Any = None
    return Moment(step, step, {}, 0.0, 1.0, 0.0, np.zeros(0, np.uint8), nothing, nothing, False, last)


@pytest.mark.parametrize(("steps", "end", "due"), [(1, 3, [1, 2, 3]), (2, 5, [2, 4, 5]), (10, 4, [4])])
def test_every(steps: int, end: int, due: list[int]) -> None:
    seen: list[int] = []
    hook = every(steps, lambda m: seen.append(m.step))
    for step in range(1, end + 1):
        hook(moment(step, last=step == end))
    assert seen == due


def test_progress_line() -> None:
    losses = {"G_AB": 0.2, "G_BA": 0.4, "cycle_A": 1.0, "cycle_B": 3.0, "identity_A": 0.5, "identity_B": 0.5, "D_A": 0.1, "D_B": 0.3}
    text = progress_text(Progress(step=1200, steps=100_000, losses=losses, images_per_second=12.34, wait=0.004, seconds_left=3723))
    assert text == "step 1,200/100,000  G 0.300  cycle 2.000  identity 0.500  D 0.200  12.3 images/s  wait 0.4%  1:02:03 left"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (36000, "10:00:00")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
