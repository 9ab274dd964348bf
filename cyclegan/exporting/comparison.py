"""Whether a file computes what `Translator` computes: a real image, and part of it, through both."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cyclegan.exporting.formats import Run, smallest_side
from cyclegan.inference.files import MAX_MEGAPIXELS, read_image
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.loading import Translate
from cyclegan.inference.scale import Scale
from preprocess.images.decode import BrokenImage
from preprocess.images.decoded_image import ImageArray
from ringcycle.errors import UserError
from ringcycle.hashing import generator

BOUND = 1e-3  # of values in [-1, 1]; steps of 8 bits are 8e-3
LEVELS = 65_535  # of 16 bits, in which images are compared, as 8 bits would hide a difference
OFF = 1, 3  # rows and columns that the second image lacks: then at least one has sides that are no multiples of 4
DRAWN_SIDE, WAVES = 72, 4  # pixels; of each channel of an image that is drawn
MOST_SIDE = 512  # pixels: of a larger image a part is used


@dataclass(frozen=True)
class Comparison:
    """The greatest difference of values in [-1, 1], and the sizes of the images, as WIDTHxHEIGHT."""

    difference: float
    sizes: tuple[str, ...]


def compare(run: Run, translate: Translate, image: ImageArray) -> Comparison:
    """Compare what a file makes of a batch of two images, and of two that are smaller, with `translate`. image: uint16 [H, W, C]."""
    differences, sizes = [], []
    for part in (image, image[OFF[0] :, OFF[1] :]):
        batch = np.stack([part, part[::-1]])
        expected = np.stack([_signed(translate(one)) for one in batch])
        result = run(_signed(batch))
        if result.shape != expected.shape:
            return Comparison(float("inf"), (f"{part.shape[1]}x{part.shape[0]}",))
        differences.append(float(np.abs(result - expected).max()))
        sizes.append(f"{part.shape[1]}x{part.shape[0]}")
    return Comparison(max(differences), tuple(sizes))


def read_check_image(path: Path, trained: GeneratorCheckpoint, channels: int) -> ImageArray:
    """An image of the user's, at the trained scale: uint16 [H, W, C]. Raises UserError if it cannot be read."""
    try:
        pixels = read_image(path, channels, 16, MAX_MEGAPIXELS)
    except BrokenImage as reason:
        raise UserError(f"--image = {path} cannot be read: {reason}: give another image") from reason
    most = max(MOST_SIDE, _least(trained))
    scaled = Scale().scaled(pixels, trained.preparation)[:most, :most]
    if min(scaled.shape[:2]) < (least := _least(trained)):
        raise UserError(f"--image = {path} has {scaled.shape[1]}x{scaled.shape[0]} pixels: give one with {least} or more on each side")
    return scaled


def drawn_image(trained: GeneratorCheckpoint, channels: int) -> ImageArray:
    """Waves of many lengths and directions, and noise, at the trained scale if that is large enough: uint16 [H, W, C]."""
    least, random = _least(trained), generator(0, "image to check an export by")
    side = max(DRAWN_SIDE, least)
    position = np.moveaxis(np.indices((side, side)), 0, 2)
    angles = position @ random.uniform(-1, 1, (2, WAVES * channels)) ** 3 + random.uniform(0, 2 * np.pi, WAVES * channels)
    waves = np.sin(angles).reshape(side, side, WAVES, channels).mean(2)
    shades = 0.5 + waves + random.uniform(-0.1, 0.1, waves.shape)
    image = np.rint(LEVELS * shades.clip(0, 1)).astype(np.uint16)
    scaled = Scale().scaled(image, trained.preparation)[:MOST_SIDE, :MOST_SIDE]
    return scaled if min(scaled.shape[:2]) >= least else image


def _least(trained: GeneratorCheckpoint) -> int:
    """Pixels on each side that the comparison needs."""
    return smallest_side(trained.model) + max(OFF)


def _signed(pixels: ImageArray) -> npt.NDArray[np.float32]:
    """uint16 pixels in [-1, 1]."""
    assert pixels.dtype == np.uint16
    return (2 * pixels.astype(np.float64) / LEVELS - 1).astype(np.float32)
