"""Watches for what users of CycleGAN meet most: generators that invert colours, or paint one grey, early in a training."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cluster.worker.hooks import StepInfo

DIRECTIONS = ("G_AB", "G_BA")
INVERTED = -0.5  # correlation of luminance between a image and its translation
FLAT = 0.02  # standard deviation of luminance, of a range of 2
SMOOTHING = 0.05
ENOUGH = 40  # images' worth of running mean before a verdict


class CollapseWatch:
    """A hook that says, once for each generator and fault, that colours invert or collapse, and the cure."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._seen = 0
        self._means = np.zeros((2, 2))
        self._said: set[tuple[int, int]] = set()

    def __call__(self, moment: StepInfo) -> None:
        """Look at the images of a step: real (A, B) in pixels, fake (fake_B, fake_A)."""
        now = colours(moment.real, moment.fake.numpy())
        if not np.isfinite(now).all():
            return
        self._seen += 1
        self._means += max(SMOOTHING, 1 / self._seen) * (now - self._means)
        if self._seen < ENOUGH:
            return
        for direction, name in enumerate(DIRECTIONS):
            correlation, spread = self._means[direction]
            if correlation < INVERTED:
                self._tell(
                    moment,
                    direction,
                    0,
                    f"{name} inverts light and dark (correlation {correlation:.2f}): raise train.lambda_identity, or begin a new run "
                    "with another train.seed",
                )
            if spread < FLAT:
                self._tell(
                    moment,
                    direction,
                    1,
                    f"{name} paints one even tone (spread {spread:.3f}): lower train.learning_rate, or begin a new run with "
                    "another train.seed",
                )

    def _tell(self, moment: StepInfo, direction: int, fault: int, text: str) -> None:
        if (direction, fault) not in self._said:
            self._said.add((direction, fault))
            self._say(f"step {moment.step:,}: {text}")


def colours(real: npt.NDArray[np.integer], fake: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """`[2, 2]`: for G_AB, G_BA: the correlation of luminance between real and fake, and the fakes' standard deviation.

    real `[2, B, H, W, C]` (A, B); fake the same shape, (fake_B, fake_A) in [-1, 1]. The mean over channels serves as luminance.
    An even image correlates with nothing: 0.
    """
    result = np.zeros((2, 2))
    for direction in range(2):
        before, after = (images[direction].astype(np.float64).mean(-1) for images in (real, fake))
        spread = before.std() * after.std()
        covariance = ((before - before.mean()) * (after - after.mean())).mean()
        result[direction] = covariance / spread if spread > 1e-9 else 0.0, after.std()
    return result
