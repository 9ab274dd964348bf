"""Lengths and learning rates as functions of the position, which counts images of each domain."""

from dataclasses import dataclass
from math import ceil, sqrt

from cyclegan.config import TrainConfig


@dataclass(frozen=True)
class Schedule:
    """Length and rate of one training. steps: of the whole run. peak: the constant rate of its first part."""

    steps: int
    global_batch: int
    epoch_length: int
    peak: float
    constant: float

    def rate(self, position: int) -> float:
        """Adam's rate at `position`: constant, then linear to 0 at the end (paper, section 4)."""
        done = position / (self.steps * self.global_batch)
        return self.peak * min(1.0, (1.0 - done) / (1.0 - self.constant)) if self.constant < 1 else self.peak

    def describe(self) -> str:
        """Length and the rule for the rate, in one line."""
        epochs = self.steps * self.global_batch / self.epoch_length
        return (
            f"{self.steps:,} steps of {self.global_batch} images per domain ({epochs:,.1f} epochs of {self.epoch_length:,}); "
            f"rate = learning_rate × √(global batch) = {self.peak:.3g}, constant for {self.constant:.0%} of the steps, "
            "then falling linearly to 0"
        )


def make_schedule(config: TrainConfig, global_batch: int, epoch_length: int) -> Schedule:
    """The schedule of a run; the rate grows with the square root of the global batch, as Adam's noise scale asks."""
    steps = config.steps or ceil(round(config.epochs * epoch_length / global_batch, 6))  # 1.1 × 100 is 110.00000000000001
    return Schedule(steps, global_batch, epoch_length, config.learning_rate * sqrt(global_batch), config.constant)
