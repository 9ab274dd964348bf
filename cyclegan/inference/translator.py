"""One generator at work: images of any size in, images of the same size, of the other domain's channels, out.

Operations run eagerly, in TensorFlow's own convolutions: a new size then costs neither a trace nor a compilation, and takes the same
time as a graph, since the convolutions are nearly all of it. `CompiledTranslator` is for many images of a size.
"""

import numpy as np
import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.translation_plan import padding
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.generator import generate
from cyclegan.networks.shapes import generator_shapes
from cyclegan.ops.convolution import has_gpu
from cyclegan.training.pixels import to_pixels, to_signed
from preprocess.images.decode import BrokenImage, ImageArray
from ringcycle.domains import DIRECTIONS
from ringcycle.errors import UserError
from ringcycle.memory import available_memory

BYTES_PER_FILTER = 33  # of each pixel, at the peak, which lies in the layers of full size; 29 to 33 measured


class Translator:
    """The generator of one direction. Only its half of the weights is loaded and computed."""

    def __init__(self, trained: GeneratorCheckpoint, direction: str) -> None:
        """direction: one of DIRECTIONS. Raises UserError if the weights belong to other networks than this version's."""
        self._model = trained.model.model_copy(update={"convolution": "plain", "precision": "float32"})
        layout = FlatParameters(generator_shapes(self._model))
        if layout.size != trained.weights.size:
            raise UserError(
                f"--checkpoint = {trained.folder} holds {trained.weights.size:,} generator weights, "
                f"but this version's networks of its sizes have {layout.size:,}: use the version that wrote it"
            )
        self._made = self._model.channels_of(direction)[1]
        i = DIRECTIONS.index(direction)
        self.parameters = {name: tf.constant(view[i : i + 1]) for name, view in layout.views(trained.weights).items()}
        """By name, `[1, …]` each."""

    def __call__(self, pixels: ImageArray) -> ImageArray:
        """Translate pixels [H, W, channels of their domain], any size, to [H, W, channels of the other domain].

        Both uint8 or uint16; the result has 16 bits if the image has, or if the training had. The image is continued by
        reflection at the bottom and right to multiples of 4, at least 8, and cut back.
        Raises BrokenImage if that does not fit in memory.
        """
        height, width, _ = pixels.shape
        if not has_gpu():
            _check_memory(self._model, height, width)
        padded = np.pad(pixels, (*padding(height, width), (0, 0)), "reflect")
        surplus = [[0, 0], [0, 0], [0, self._model.channels - pixels.shape[2]]]
        try:
            signed = tf.pad(to_signed(tf.constant(padded)), surplus)[None, None]
            translated = generate(self.parameters, signed, self._model)[0, 0].numpy()
        except tf.errors.ResourceExhaustedError as error:
            raise BrokenImage(f"{width}x{height} pixels do not fit in the device's memory") from error
        bits = max(self._model.bits, 8 * pixels.itemsize)
        return to_pixels(translated[:height, :width, : self._made], bits)


def _check_memory(model: ModelSpec, height: int, width: int) -> None:
    """Refuse before the system's out-of-memory killer would end the process."""
    needed, free = BYTES_PER_FILTER * model.filters * height * width, available_memory()
    if needed > free:
        raise BrokenImage(f"{width}x{height} pixels need about {needed / 2**30:.1f} GiB of memory, {free / 2**30:.1f} GiB are free")
