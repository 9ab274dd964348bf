"""One generator as an XLA program: images of one size, several at a time, in the fast convolutions."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.inference.translation_plan import Shape, padding
from cyclegan.networks.generator import generate
from cyclegan.training.compile_cache import give_back_memory
from cyclegan.training.pixels import quantized, to_signed
from preprocess.images.decoded_image import ImageArray
from ringcycle.storage.locks import locked


class CompiledTranslator:
    """Translates images as a `Translator` does, to the same pixels but for rounding, if they are padded to the size of one shape.

    Traced here, compiled by the first call, or taken from the cache by it. The cache's keys count what was traced before: processes that
    make the same translators in the same order, before they trace anything else, find each other's programs.
    """

    def __init__(self, parameters: Mapping[str, tf.Tensor], model: ModelSpec, channels: tuple[int, int], shape: Shape, cache: Path) -> None:
        """parameters: of one direction, `[1, …]` each. channels: of its images and of its results. cache: as in `set_up_xla`."""
        fast = model.model_copy(update={"convolution": "auto", "precision": "float32", "remat": False})
        taken, made = channels
        bits = max(model.bits, shape.bits)

        def translate(pixels: tf.Tensor) -> tf.Tensor:
            signed = tf.pad(to_signed(pixels), [[0, 0]] * 3 + [[0, model.channels - taken]])
            return quantized(generate(parameters, signed[None], fast, alone=True)[0, ..., :made], bits)

        images = tf.TensorSpec([shape.batch, shape.height, shape.width, taken], tf.uint8 if shape.bits == 8 else tf.uint16)
        self._program = tf.function(translate, input_signature=[images], jit_compile=True, autograph=False).get_concrete_function()
        self._model, self._shape, self._cache, self._compiled = model, shape, cache, False

    def fits(self, image: ImageArray) -> bool:
        """Whether an image is padded to the size of the shape, and has its bits."""
        (_, bottom), (_, right) = self._padding(image)
        size = (image.shape[0] + bottom, image.shape[1] + right, 8 * image.itemsize)
        return size == (self._shape.height, self._shape.width, self._shape.bits)

    def __call__(self, images: Sequence[ImageArray]) -> list[ImageArray]:
        """Translate up to `shape.batch` images that fit, [H, W, channels of their domain], to [H, W, channels of the other domain].

        Fewer take as long as all. Results have 16 bits if the images or the training had.
        """
        batch = np.zeros(self._program.inputs[0].shape, images[0].dtype)
        for place, image in zip(batch, images, strict=False):
            place[:] = np.pad(image, (*self._padding(image), (0, 0)), "reflect")
        # One process of a node compiles at a time, so that the others find the program in the cache.
        with nullcontext() if self._compiled else locked(self._cache / "compile.lock", report=False):
            translated = self._program(tf.constant(batch)).numpy()
        if not self._compiled:
            self._compiled = True
            give_back_memory()
        return [result[: image.shape[0], : image.shape[1]] for result, image in zip(translated, images, strict=False)]

    def _padding(self, image: ImageArray) -> tuple[tuple[int, int], tuple[int, int]]:
        height, width, _ = image.shape
        return padding(height, width, self._model)
