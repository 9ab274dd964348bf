"""Length of a run, and its learning rate as a function of the position, which counts images per domain."""

from dataclasses import dataclass
from math import ceil, sqrt

from cyclegan.config import TrainConfig
from ringcycle.errors import UserError


@dataclass(frozen=True)
class Schedule:
    """Length and learning rate of one run. steps: of the complete run. peak: the rate of its first, constant part."""

    steps: int
    global_batch: int
    epoch_length: int
    peak: float
    constant_fraction: float

    def rate(self, position: int) -> float:
        """Learning rate at `position`: constant, then falling linearly to 0 at the end (paper, section 4)."""
        done = position / (self.steps * self.global_batch)
        return self.peak * min(1.0, (1.0 - done) / (1.0 - self.constant_fraction)) if self.constant_fraction < 1 else self.peak

    def describe(self) -> str:
        """Length and learning rate, in one line."""
        epochs = self.steps * self.global_batch / self.epoch_length
        return (
            f"{self.steps:,} steps of {self.global_batch} images per domain ({epochs:,.1f} epochs of {self.epoch_length:,}); "
            f"rate = learning_rate × √(global batch) = {self.peak:.3g}, constant for {self.constant_fraction:.0%} of the steps, "
            "then falling linearly to 0"
        )


def make_schedule(config: TrainConfig, global_batch: int, epoch_length: int) -> Schedule:
    """The schedule of a run. The rate scales with the square root of the global batch, as Adam's noise scale requires.

    Raises UserError if train.epochs gives no step.
    """
    steps = config.steps or ceil(round(config.epochs * epoch_length / global_batch, 6))  # 1.1 × 100 is 110.00000000000001
    if steps == 0:
        least = global_batch / epoch_length
        raise UserError(
            f"train.epochs = {config.epochs:g} gives 0 steps of {global_batch} images in epochs of {epoch_length:,}: "
            f"a step is {least:.3g} epochs; give more, or set train.steps"
        )
    return Schedule(steps, global_batch, epoch_length, config.learning_rate * sqrt(global_batch), config.constant_fraction)
