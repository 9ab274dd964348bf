"""A translator that is ready to run: TensorFlow is imported here, quietly, and no earlier."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cyclegan.import_tensorflow import import_tensorflow
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.held_out import Features
from cyclegan.inference.progress import Meter, silent
from cyclegan.inference.scale import Preparation, Scale
from cyclegan.inference.translation_plan import Shape
from preprocess.images.decoded_image import ImageArray
from ringcycle.stderr import quiet_stderr

if TYPE_CHECKING:
    from cyclegan.inference.batch_translator import BatchTranslator

log = logging.getLogger(__name__)

Translate = Callable[[ImageArray], ImageArray]
"""See `Translator`. Raises BrokenImage if the image does not fit in memory or on the disk."""


def load_translator(trained: GeneratorCheckpoint, direction: str) -> Translate:
    """The generator of `direction`, one of DIRECTIONS, ready to run. Raises UserError if its weights do not fit this version."""
    with _quiet_tensorflow():
        from cyclegan.inference.translator import Translator

        return Translator(trained, direction)


def load_batch_translator(
    trained: GeneratorCheckpoint, direction: str, shapes: Sequence[Shape], memory: int | None = None, meter: Meter = silent
) -> "BatchTranslator":
    """A `BatchTranslator`, with TensorFlow imported for it. Raises UserError as it does."""
    with _quiet_tensorflow():
        from cyclegan.inference.batch_translator import BatchTranslator

        return BatchTranslator(trained, direction, shapes, memory, meter)


def load_features(weights: Path) -> Features:
    """Features of an Inception network with the weights of a file. Raises UserError if it is another file."""
    with _quiet_tensorflow():
        from cyclegan.evaluation.inception import Inception

        return Inception(weights).features


def at_scale(scale: Scale, trained: Preparation | None, translate: Translate) -> Translate:
    """`translate`, with images scaled before and results after it. trained: see `Scale.scaled`."""
    return lambda image: scale.restored(translate(scale.scaled(image, trained)), *image.shape[:2])


@contextmanager
def _quiet_tensorflow() -> Iterator[None]:
    """TensorFlow's C++ prints while it is imported, when it first computes, and, unless the environment tells it not to, later too."""
    given = os.environ.get("TF_CPP_MIN_LOG_LEVEL", "")  # the process may be a user's
    level = 0 if log.isEnabledFor(logging.DEBUG) else 3
    with quiet_stderr():
        import_tensorflow(int(given) if given.isdecimal() else level)
        yield
