"""One generator at work: images of any size in, images of the same size, of the other domain's channels, out.

Operations run in TensorFlow's own convolutions, and eagerly: a new size then costs neither a trace nor a compilation. Where small images
of one size come again and again, a graph spares Python's part, most of their time, with the same results. `CompiledTranslator` is for many
images of a size. On CPUs an image that does not fit in memory is computed in strips.
"""

import logging
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

import numpy as np
import numpy.typing as npt
import psutil
import tensorflow as tf
from pydantic import ByteSize

from cyclegan.inference.activation_file import scratch_folder
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.progress import Meter, silent
from cyclegan.inference.strip_plan import plan_strips
from cyclegan.inference.strips import StripGenerator
from cyclegan.inference.translation_plan import padding
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.generator import generate
from cyclegan.networks.generator_layers import generator_parts
from cyclegan.networks.shapes import generator_shapes
from cyclegan.ops.convolution import has_gpu
from cyclegan.training.pixels import to_pixels, to_signed
from preprocess.images.decode import BrokenImage, ImageArray
from ringcycle.domains import DIRECTIONS
from ringcycle.errors import UserError
from ringcycle.memory import available_memory
from ringcycle.storage.location import reason

log = logging.getLogger(__name__)

BYTES_PER_FILTER = 33  # of each pixel, at the peak, which lies in the layers of full size; 29 to 33 measured
LARGEST = 2**22  # pixels computed at once: TensorFlow's convolutions die of SIGSEGV at 12 million with 64 channels
GRAPH_PIXELS = 2**18  # pixels up to which a graph is faster than eager operations: in larger images the convolutions are all of the time
GRAPH_AFTER = 4  # eager images of a size, before tracing it pays
MOST_GRAPHS = 8
CODEC = 4.5  # times an image's own bytes, at the peak of decoding or encoding it; 1 to 4.5 measured
CURE = "set TMPDIR to a folder with more room"


class Translator:
    """The generator of one direction. Only its half of the weights is loaded and computed."""

    def __init__(self, trained: GeneratorCheckpoint, direction: str, memory: int | None = None, meter: Meter = silent) -> None:
        """direction: one of DIRECTIONS. memory: bytes that the process may take, on CPUs; None: what is free. meter: counts strips.

        Raises UserError if the weights belong to other networks than this version's, or if the process takes more than `memory` already.
        """
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
        self._memory, self._meter = memory, meter
        self._seen: Counter[tuple[int, ...]] = Counter()
        self._graph = tf.function(self._generated, autograph=False)
        if memory is not None and _resident() > memory:
            raise UserError(f"--memory = {_shown(memory)}, but without any image the process takes {_shown(_resident())}: allow more")

    def __call__(self, pixels: ImageArray) -> ImageArray:
        """Translate pixels [H, W, channels of their domain], any size, to [H, W, channels of the other domain].

        Both uint8 or uint16; the result has 16 bits if the image has, or if the training had. The image is continued by
        reflection at the bottom and right to a size that the generator takes, and cut back.
        Raises BrokenImage if it does not fit in a GPU's memory, or its strips neither in memory nor on the disk. A unet has no strips.
        """
        height, width, _ = pixels.shape
        bottom, right = padding(height, width, self._model)
        padded = np.pad(pixels, (bottom, right, (0, 0)), "reflect") if bottom[1] or right[1] else pixels
        bits = max(self._model.bits, 8 * pixels.itemsize)
        if not has_gpu():
            free = self.free()
            if height * width > LARGEST or self._bytes_of(height * width) > free:
                return self._in_strips(padded, (height, width, self._made), bits, free)
        return to_pixels(self._whole(padded)[:height, :width, : self._made], bits)

    def _whole(self, pixels: ImageArray) -> npt.NDArray[np.float32]:
        """The translation in [-1, 1], of all channels."""
        try:
            if not self._repeats(pixels.shape):
                return np.asarray(self._generated(tf.constant(pixels)))
            with _as_traced():
                return np.asarray(self._graph(tf.constant(pixels)))
        except tf.errors.ResourceExhaustedError as error:
            raise BrokenImage(f"{_size(pixels.shape)} do not fit in the device's memory") from error

    def _generated(self, pixels: tf.Tensor) -> tf.Tensor:
        surplus = [[0, 0], [0, 0], [0, self._model.channels - pixels.shape[2]]]
        return generate(self.parameters, tf.pad(to_signed(pixels), surplus)[None, None], self._model, alone=True)[0, 0]

    def _repeats(self, shape: tuple[int, ...]) -> bool:
        """Whether a graph pays for images of this shape."""
        known = shape in self._seen or len(self._seen) < MOST_GRAPHS
        if shape[0] * shape[1] > GRAPH_PIXELS or not known:
            return False
        self._seen[shape] += 1
        return self._seen[shape] > GRAPH_AFTER

    def _in_strips(self, pixels: ImageArray, shape: tuple[int, int, int], bits: int, free: int) -> ImageArray:
        """The translation in `free` bytes: its first rows, columns and channels, as many as `shape` has."""
        size = _size(shape)
        if self._model.generator != "resnet":
            raise BrokenImage(
                f"{size} are too many for a {self._model.generator}, which cannot be computed in strips: give a smaller --scale"
            )
        parts, folder, own = generator_parts(self._model), scratch_folder(os.environ), prod(shape) * bits // 8
        plan = plan_strips(parts, pixels.shape[0], pixels.shape[1], min(free - own, self._bytes_of(LARGEST)))
        try:
            room = shutil.disk_usage(folder).free
            if plan.disk > room:
                raise BrokenImage(f"{size} need {_shown(plan.disk)} of files in {folder}, {_shown(room)} are free: {CURE}")
            self._check_memory(size, free, max(plan.memory + own, int((CODEC - 1) * pixels.nbytes)))
            log.info(f"{size} are too many at once: in strips, with up to {_shown(plan.disk)} of files in {folder}")
            result = np.empty(shape, np.uint8 if bits == 8 else np.uint16)
            with self._meter(plan.count, "strips") as advance:
                StripGenerator(self.parameters, parts, plan.strips, folder).generate(pixels, result, advance)
        except OSError as error:
            raise BrokenImage(f"{size} need files in {folder}, which fails ({reason(error)}): {CURE}") from error
        return result

    def _check_memory(self, size: str, free: int, needed: int) -> None:
        if needed > free:
            left = "free" if self._memory is None else f"left of --memory = {_shown(self._memory)}: allow {_shown(needed - free)} more"
            raise BrokenImage(f"{size} need {_shown(needed)} of memory even in strips, {_shown(free)} are {left}")

    def _bytes_of(self, pixels: int) -> int:
        """Memory that an image takes which is computed at once."""
        return BYTES_PER_FILTER * self._model.filters * pixels

    def free(self) -> int:
        """Bytes that the process may still take."""
        allowed = [] if self._memory is None else [max(0, self._memory - _resident())]
        return min([available_memory(), *allowed])


@contextmanager
def _as_traced() -> Iterator[None]:
    """Without TensorFlow's optimizers, which would fuse operations: rounding would differ from that of eager ones."""
    options = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": options.get("disable_meta_optimizer", False)})


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]} pixels"


def _shown(size: int) -> str:
    return ByteSize(size).human_readable(separator=" ")
