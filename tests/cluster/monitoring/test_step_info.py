from typing import Any

import numpy as np
import pytest

from cluster.monitoring.step_info import StepInfo, every


def step_info(step: int, last: bool = False) -> StepInfo:
    """A finished step without losses and images."""
    nothing: Any = None
    return StepInfo(step, step, {}, 0.0, 1.0, 0.0, np.zeros(0, np.uint8), nothing, nothing, False, last)


@pytest.mark.parametrize(("steps", "end", "due"), [(1, 3, [1, 2, 3]), (2, 5, [2, 4, 5]), (10, 4, [4])])
def test_every(steps: int, end: int, due: list[int]) -> None:
    seen: list[int] = []
    hook = every(steps, lambda info: seen.append(info.step))
    for step in range(1, end + 1):
        hook(step_info(step, last=step == end))
    assert seen == due
