"""Length of a run, and its learning rate as a function of the position, which counts images per domain."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, cos, inf, pi, sqrt

from cyclegan.config import Policy, RateRule, TrainConfig
from ringcycle.errors import UserError

STEP_FACTOR = 0.1  # of the policy "step", as in pytorch-CycleGAN-and-pix2pix

# The factor of the rate at a global batch, and how the line at the start writes it. Adam's noise scale asks for the square root.
RULES: dict[RateRule, tuple[Callable[[int], float], str]] = {
    "sqrt": (sqrt, " × √(global batch)"),
    "linear": (float, " × global batch"),
    "none": (lambda _: 1.0, ""),
}


@dataclass(frozen=True)
class Schedule:
    """Length and learning rate of one run.

    steps: of the complete run. peak: the highest rate. rule: how the global batch enters it. constant_fraction: of the policy "linear".
    decay: images after which the policy "step" lowers the rate. warmup: steps in which the rate rises.
    """

    steps: int
    global_batch: int
    epoch_length: int
    peak: float
    constant_fraction: float
    policy: Policy = "linear"
    decay: float = inf
    warmup: int = 0
    rule: RateRule = "sqrt"

    def rate(self, position: int) -> float:
        """Learning rate at `position`: that of the policy; in the n-th of `warmup` steps n / warmup of it."""
        rate = self.peak * self._factor(position)
        return rate * min(1.0, (position // self.global_batch + 1) / self.warmup) if self.warmup else rate

    def _factor(self, position: int) -> float:
        """What the policy makes of the peak: constant, then falling linearly to 0 at the end (paper, section 4), or otherwise."""
        done = position / (self.steps * self.global_batch)
        match self.policy:
            case "linear":
                return min(1.0, (1.0 - done) / (1.0 - self.constant_fraction)) if self.constant_fraction < 1 else 1.0
            case "step":
                return float(STEP_FACTOR ** (position // self.decay))
            case "cosine":
                return 0.5 * (1.0 + cos(pi * min(1.0, done)))

    def describe(self) -> str:
        """Length and learning rate, in one line."""
        epochs = self.steps * self.global_batch / self.epoch_length
        course = {
            "linear": f"constant for {self.constant_fraction:.0%} of the steps, then falling linearly to 0",
            "step": f"times {STEP_FACTOR:g} every {self.decay / self.epoch_length:g} epochs",
            "cosine": "falling to 0 along half a cosine",
        }[self.policy]
        return (
            f"{self.steps:,} steps of {self.global_batch} images per domain ({epochs:,.1f} epochs of {self.epoch_length:,}); "
            f"rate = learning_rate{RULES[self.rule][1]} = {self.peak:.3g}, {course}"
            + (f"; it rises linearly during the first {self.warmup:,} steps" if self.warmup else "")
        )


def make_schedule(config: TrainConfig, global_batch: int, epoch_length: int) -> Schedule:
    """The schedule of a run. `train.rate_rule` says how the rate grows with the global batch.

    Raises UserError if train.epochs gives no step, or if the warm-up is longer than the run.
    """
    steps = config.steps or ceil(round(config.epochs * epoch_length / global_batch, 6))  # 1.1 × 100 is 110.00000000000001
    if steps == 0:
        least = global_batch / epoch_length
        raise UserError(
            f"train.epochs = {config.epochs:g} gives 0 steps of {global_batch} images in epochs of {epoch_length:,}: "
            f"a step is {least:.3g} epochs; give more, or set train.steps"
        )
    warmup = round(config.warmup if config.warmup >= 1 else config.warmup * steps)
    if warmup > steps:
        raise UserError(
            f"train.warmup = {warmup:,} is longer than the run of {steps:,} steps: give fewer steps, or a fraction of the length below 1"
        )
    factor, _ = RULES[config.rate_rule]
    return Schedule(
        steps,
        global_batch,
        epoch_length,
        config.learning_rate * factor(global_batch),
        config.constant_fraction,
        policy=config.schedule,
        decay=max(1.0, round(config.decay_epochs * epoch_length, 6)),
        warmup=warmup,
        rule=config.rate_rule,
    )
