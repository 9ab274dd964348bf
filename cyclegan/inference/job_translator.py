"""Jobs of a translation, from image files to result files. Images are decoded, scaled and written beside the generator's work."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from cyclegan.inference.files import read_image, write_image
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.loading import load_batch_translator
from cyclegan.inference.progress import Meter, silent
from cyclegan.inference.scale import Scale
from cyclegan.inference.translation_plan import Shape
from preprocess.images.decode import BrokenImage, ImageArray
from ringcycle.errors import UserError
from ringcycle.storage.atomic import write_atomic

IN_FLIGHT = 3  # jobs at a time: one computes while others decode and write
FILE_THREADS = 4  # that decode and write
LARGE_FILE = 16 * 2**20  # bytes, from which files are decoded one at a time: each may take gigabytes


@dataclass(frozen=True)
class TranslationSettings:
    """What determines a result, besides its image. megapixels: larger images are refused."""

    trained: GeneratorCheckpoint
    direction: str
    scale: Scale
    megapixels: float


class Written(NamedTuple):
    """A result: bytes of its file and modification time (ns since 1970)."""

    size: int
    mtime_ns: int


class Skipped(NamedTuple):
    """An image without a result, and why."""

    reason: str


class _Image(NamedTuple):
    """An image at the size at which it is translated, or its translation; and the height and width of the image in its file."""

    pixels: ImageArray
    height: int
    width: int


class JobTranslator:
    """Translates jobs, several at a time if several threads call it; memory is bounded by their number."""

    def __init__(self, settings: TranslationSettings, shapes: Sequence[Shape], memory: int | None = None, meter: Meter = silent) -> None:
        """shapes: those that jobs may have, in the same order in each process (`shapes_of`). memory, meter: see `Translator`.

        Raises UserError as `BatchTranslator`.
        """
        self._settings = settings
        self._channels = settings.trained.model.channels_of(settings.direction)[0]
        self._files = ThreadPoolExecutor(FILE_THREADS, "files")
        self._large = Lock()
        # One thread for all of TensorFlow, started by this one and so bound to the same cores.
        self._generator = ThreadPoolExecutor(1, "generator")
        self._translate = self._generator.submit(
            load_batch_translator, settings.trained, settings.direction, shapes, memory, meter
        ).result()

    def __call__(self, files: Sequence[tuple[Path, Path]], shape: Shape | None) -> list[Written | Skipped]:
        """Translate images, up to a batch of `shape`, to their results, each completely or not at all.

        Raises UserError if a result cannot be written.
        """
        images = list(self._files.map(self._read, [image for image, _ in files]))
        good = [image for image in images if isinstance(image, _Image)]
        translated = iter(self._generator.submit(self._translated, good, shape).result())
        results = [next(translated) if isinstance(image, _Image) else image for image in images]
        return list(self._files.map(self._write, [path for _, path in files], results))

    def _read(self, path: Path) -> _Image | Skipped:
        settings = self._settings
        large = _bytes_of(path) > LARGE_FILE
        try:
            with self._large if large else nullcontext():
                pixels = read_image(path, self._channels, None, settings.megapixels)
        except BrokenImage as error:
            return Skipped(str(error))
        return _Image(settings.scale.scaled(pixels, settings.trained.preparation), *pixels.shape[:2])

    def _translated(self, images: list[_Image], shape: Shape | None) -> list[_Image | Skipped]:
        results = self._translate([image.pixels for image in images], shape)
        return [
            Skipped(str(result)) if isinstance(result, BrokenImage) else image._replace(pixels=result)
            for image, result in zip(images, results, strict=True)
        ]

    def _write(self, path: Path, result: _Image | Skipped) -> Written | Skipped:
        if isinstance(result, Skipped):
            return result
        pixels = self._settings.scale.restored(*result)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, partial(write_image, pixels, path.suffix))
            status = path.stat()
        except OSError as error:
            fact = f"OUTPUT: {path} cannot be written ({error.strerror})"
            raise UserError(f"{fact}: give another OUTPUT, or make this one writable") from error
        return Written(status.st_size, status.st_mtime_ns)


def _bytes_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # reading it will report that
        return 0
