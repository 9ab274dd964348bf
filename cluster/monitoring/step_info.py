"""A finished step as the hooks see it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt


@dataclass(frozen=True)
class StepInfo:
    """A finished step. position: of the next step, in images per domain. seconds: its duration, of which `waited` for data.

    losses: by name, means over all workers. rate: the learning rate. real `[2, B, H, W, C]` (A, B) in pixels; fake (fake_B, fake_A) and
    cycled (cycled_B, cycled_A) `[2, B, H, W, C]` tensors in [-1, 1]. save: a checkpoint is due. last: no step follows.
    dropped: an update was skipped, since its gradient was not finite.
    """

    step: int
    position: int
    losses: dict[str, float]
    rate: float
    seconds: float
    waited: float
    real: npt.NDArray[Any]
    fake: Any
    cycled: Any
    save: bool
    last: bool
    dropped: bool = False


Hook = Callable[[StepInfo], None]


def every(steps: int, hook: Hook) -> Hook:
    """`hook` at each multiple of `steps` and after the last step."""

    def when_due(info: StepInfo) -> None:
        if info.step % steps == 0 or info.last:
            hook(info)

    return when_due
