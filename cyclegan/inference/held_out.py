"""How good translations of held-out images are: both generators at work, measured by `cyclegan.evaluation`.

Needs no TensorFlow: whoever calls brings the translators, and the features of an Inception network if there are weights.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cyclegan.evaluation.estimate import Estimate, mean_of
from cyclegan.evaluation.frechet_distance import frechet_distance
from cyclegan.evaluation.jpeg_round_trip import jpeg_round_trip
from cyclegan.evaluation.kernel_inception_distance import kernel_inception_distance
from cyclegan.evaluation.pixel_errors import mean_absolute_error, peak_signal_to_noise_ratio
from cyclegan.evaluation.sliced_wasserstein import Patches, patches_of, patches_per_image, sliced_wasserstein
from cyclegan.evaluation.structural_similarity import structural_similarity
from preprocess.images.decode import ImageArray
from ringcycle.domains import DIRECTIONS

SEED = 0  # of patches and projections: all checkpoints are measured alike
FEATURE_BATCH = 16
ERRORS: dict[str, Callable[[ImageArray, ImageArray], float]] = {
    "l1": mean_absolute_error,
    "psnr": peak_signal_to_noise_ratio,
    "ssim": structural_similarity,
}
MEANS = ("sliced_wasserstein", "kid", "fid", "cycle_l1", "truth_l1")
"""Measures of which there is a mean of both domains."""

Translate = Callable[[ImageArray], ImageArray]
Features = Callable[[Sequence[ImageArray]], npt.NDArray[np.float32]]
"""Images [H, W, C] to features [N, d]."""


@dataclass(frozen=True)
class HeldOutImage:
    """An image [H, W, C] of one domain, and the same scene in the other one where that is known."""

    pixels: ImageArray
    truth: ImageArray | None = None


@dataclass(frozen=True)
class Example:
    """An image, its translation, the way back, and the truth if it is known."""

    real: ImageArray
    fake: ImageArray
    cycled: ImageArray
    truth: ImageArray | None


@dataclass(frozen=True)
class Evaluation:
    """Measures by name, examples by direction. images: how many of A and of B were translated.

    Names end with the domain of the images that they are about: `sliced_wasserstein_B` compares fakes of B with real images of B,
    `cycle_l1_A` images of A with their way there and back, `truth_l1_B` fakes of B with the truth. Without a domain: the mean of both.
    """

    images: tuple[int, int]
    measures: dict[str, Estimate]
    examples: dict[str, list[Example]]

    @property
    def values(self) -> dict[str, float]:
        """The finite values by name."""
        return {name: estimate.value for name, estimate in self.measures.items() if math.isfinite(estimate.value)}


def evaluate_images(
    translate: Mapping[str, Translate],
    images: Mapping[str, Collection[HeldOutImage]],
    features: Features | None = None,
    examples: int = 4,
) -> Evaluation:
    """Translate images of both domains there and back, and measure. Each is read once; of each only patches and features are kept.

    translate: by direction. images: by domain, "A" and "B"; 7 pixels or more a side, of the depth that results have. Iterating may leave
    some out, but gives the same ones each time. examples: how many to return of each direction. Raises what the arguments raise.
    """
    real = {domain: _Set(len(images[domain]), features) for domain in "AB"}
    fake = {target: _Set(len(images[source]), features) for source, target in ("AB", "BA")}
    measures: dict[str, Estimate] = {}
    shown: dict[str, list[Example]] = {}
    for direction in DIRECTIONS:
        source, target = direction[0], direction[-1]
        there, back = translate[direction], translate[f"{target}to{source}"]
        errors, shown[direction] = _Errors(), []
        for image in images[source]:
            made = there(image.pixels)
            cycled = back(made)
            real[source].add(image.pixels)
            fake[target].add(made)
            errors.add(f"cycle_{{}}_{source}", image.pixels, cycled)
            errors.add(f"cycle_jpeg_{{}}_{source}", image.pixels, back(jpeg_round_trip(made)))
            if image.truth is not None:
                errors.add(f"truth_{{}}_{target}", image.truth, made)
                if image.truth.shape == image.pixels.shape:
                    errors.add(f"unchanged_{{}}_{target}", image.truth, image.pixels)
            if len(shown[direction]) < examples:
                shown[direction].append(Example(image.pixels, made, cycled, image.truth))
        measures |= errors.means()
    for domain in "AB":
        measures |= {f"{name}_{domain}": estimate for name, estimate in _distances(real[domain], fake[domain]).items()}
    return Evaluation((len(real["A"].patches), len(real["B"].patches)), {**_means(measures), **measures}, shown)


class _Set:
    """What is kept of a set of `count` images, or a few less."""

    def __init__(self, count: int, features: Features | None) -> None:
        self._count, self._extract = count, features
        self.patches: list[Patches] = []
        self._features: list[npt.NDArray[np.float32]] = []
        self._waiting: list[ImageArray] = []

    def add(self, image: ImageArray) -> None:
        self.patches.append(patches_of(image, patches_per_image(self._count, image.shape[2]), SEED))
        if self._extract:
            self._waiting.append(image)
            if len(self._waiting) == FEATURE_BATCH:
                self._flush()

    def features(self) -> npt.NDArray[np.float32] | None:
        self._flush()
        return np.concatenate(self._features) if self._features else None

    def _flush(self) -> None:
        if self._waiting and self._extract:
            self._features.append(self._extract(self._waiting))
            self._waiting = []


@dataclass
class _Errors:
    """Errors of single images by name of the measure."""

    found: dict[str, list[float]] = field(default_factory=dict)

    def add(self, pattern: str, wanted: ImageArray, got: ImageArray) -> None:
        for name, error in ERRORS.items():
            self.found.setdefault(pattern.format(name), []).append(error(wanted, got))

    def means(self) -> dict[str, Estimate]:
        return {name: mean_of(errors) for name, errors in self.found.items()}


def _distances(real: _Set, fake: _Set) -> dict[str, Estimate]:
    """None of an empty set, and those of features of two images or more only."""
    fewest = min(len(real.patches), len(fake.patches))
    result = {} if fewest == 0 else {"sliced_wasserstein": Estimate(sliced_wasserstein(real.patches, fake.patches, SEED).mean, None)}
    features = real.features(), fake.features()
    if features[0] is not None and features[1] is not None and fewest > 1:
        result["kid"] = kernel_inception_distance(features[0], features[1])
        result["fid"] = Estimate(frechet_distance(features[0], features[1]), None)
    return result


def _means(measures: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Means of both domains. The standard error regards the two as independent."""
    result = {}
    for name in MEANS:
        both = [measures[f"{name}_{domain}"] for domain in "AB" if f"{name}_{domain}" in measures]
        if len(both) == 2:
            errors = [estimate.standard_error for estimate in both]
            known = None if None in errors else math.hypot(*(error or 0.0 for error in errors)) / 2
            result[name] = Estimate(sum(estimate.value for estimate in both) / 2, known)
    return result
