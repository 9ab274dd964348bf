"""Detects the most common failures of CycleGAN: generators that invert light and dark or paint one even tone, early in a training."""

import logging

import numpy as np
import numpy.typing as npt

from cluster.monitoring.step_info import StepInfo

log = logging.getLogger(__name__)

GENERATORS = ("G_AB", "G_BA")
INVERTED = -0.5  # correlation of luminance between an image and its translation
FLAT = 0.02  # standard deviation of luminance, whose range is 2
SMOOTHING = 0.05
ENOUGH = 40  # steps in the running mean before a verdict


class CollapseWatch:
    """A hook that warns, once per generator and fault, of inverted or collapsed colours, and gives the cure."""

    def __init__(self) -> None:
        self._seen = 0
        self._means = np.zeros((2, 2))
        self._warned: set[str] = set()

    @property
    def faults(self) -> tuple[str, ...]:
        """What was found so far, such as "G_AB inverted" or "G_BA flat"."""
        return tuple(sorted(self._warned))

    def __call__(self, info: StepInfo) -> None:
        """Look at the images of a step."""
        now = colours(info.real, info.fake.numpy())
        if not np.isfinite(now).all():
            return
        self._seen += 1
        self._means += max(SMOOTHING, 1 / self._seen) * (now - self._means)
        if self._seen < ENOUGH:
            return
        for direction, name in enumerate(GENERATORS):
            correlation, spread = self._means[direction]
            if correlation < INVERTED:
                cure = "raise train.lambda_identity, or start a new run with another train.seed"
                self._warn(info.step, f"{name} inverts light and dark (correlation {correlation:.2f})", f"{name} inverted", cure)
            if spread < FLAT:
                cure = "lower train.learning_rate, or start a new run with another train.seed"
                self._warn(info.step, f"{name} paints one even tone (spread {spread:.3f})", f"{name} flat", cure)

    def _warn(self, step: int, fact: str, fault: str, cure: str) -> None:
        if fault not in self._warned:
            self._warned.add(fault)
            log.warning(f"step {step:,}: {fact}: {cure}")


def colours(real: npt.NDArray[np.integer], fake: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """`[2, 2]`: for G_AB and G_BA, the correlation of luminance between real and fake, and the standard deviation of the fake's.

    real `[2, B, H, W, C]` (A, B); fake the same shape, (fake_B, fake_A) in [-1, 1]. The mean over channels serves as luminance.
    The correlation with an even image is 0.
    """
    result = np.zeros((2, 2))
    for direction in range(2):
        before, after = (images[direction].astype(np.float64).mean(-1) for images in (real, fake))
        spread = before.std() * after.std()
        covariance = ((before - before.mean()) * (after - after.mean())).mean()
        result[direction] = covariance / spread if spread > 1e-9 else 0.0, after.std()
    return result
