"""A trained generator for use from Python: images in, images of the same type out."""

from collections.abc import Iterable
from typing import TypeVar

import numpy as np
from PIL import Image

from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.loading import at_scale, load_translator
from cyclegan.inference.scale import Scale
from preprocess.images.decoded_image import ImageArray

T = TypeVar("T", Image.Image, ImageArray)

MODES = {1: "L", 3: "RGB"}
"""Modes of Pillow images, by channels."""


class Generator:
    """The generator of one direction. `cyclegan.load` makes it; loading and the first image take seconds, as TensorFlow starts.

    Not for several threads at once.
    """

    def __init__(self, trained: GeneratorCheckpoint, direction: str, scale: Scale) -> None:
        self._trained, self._direction = trained, direction
        self._translate = at_scale(scale, trained.preparation, load_translator(trained, direction))

    @property
    def direction(self) -> str:
        """AtoB or BtoA."""
        return self._direction

    @property
    def checkpoint(self) -> str:
        """The folder of the checkpoint that the weights are from."""
        return self._trained.folder

    @property
    def step(self) -> int:
        """The step at which the checkpoint was saved."""
        return self._trained.step

    @property
    def channels(self) -> tuple[int, int]:
        """Channels of the images that it takes and of those that it makes."""
        return self._trained.model.channels_of(self._direction)

    def translate(self, image: T) -> T:
        """Translate a Pillow image, or an array: uint8 or uint16 [H, W, C], or [H, W] for one channel.

        A Pillow image is converted to the mode that the channels ask for (RGB or L), and the result has the mode of its own. An array must
        have the channels; the result has 16 bits if the array or the training has. Raises TypeError for anything else, ValueError for
        other channels, and `preprocess.images.decode.BrokenImage` if the image does not fit in memory.
        """
        if isinstance(image, Image.Image):
            return self._translate_pillow(image)
        return self._translate_array(image)

    def translate_batch(self, images: Iterable[T]) -> list[T]:
        """Translate images one after another, in order; their sizes may differ. Raises as `translate`."""
        return [self.translate(image) for image in images]

    def _translate_pillow(self, image: Image.Image) -> Image.Image:
        taken, made = self.channels
        if taken not in MODES or made not in MODES:
            raise ValueError(f"this generator makes {made} channels of {taken}, which Pillow images do not hold: give arrays")
        pixels = np.asarray(image.convert(MODES[taken]))
        result = self._translate_array(pixels)
        return Image.fromarray(result if result.dtype == np.uint8 else (result // 257).astype(np.uint8))

    def _translate_array(self, image: ImageArray) -> ImageArray:
        if not isinstance(image, np.ndarray) or image.dtype not in (np.uint8, np.uint16):
            kind = f"an array of {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
            raise TypeError(f"{kind} is no image here: give a Pillow image, or an array of uint8 or uint16")
        pixels = image[..., None] if image.ndim == 2 else image
        if pixels.ndim != 3 or pixels.shape[2] != self.channels[0]:
            raise ValueError(f"an array of shape {list(image.shape)}, but this generator takes [H, W, {self.channels[0]}]")
        result = self._translate(pixels)
        return result[..., 0] if result.shape[2] == 1 else result
