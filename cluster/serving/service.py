"""Image files translated for many clients at once: decoded beside each other, translated together, written beside each other."""

import asyncio
import io
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cluster.serving.batches import BATCHES, Kind, plan_groups, shapes_for
from cluster.serving.gathering import Gathering
from cluster.serving.refusal import Refused
from cluster.serving.settings import ServiceSettings
from cyclegan.inference.files import suffix_for, write_image
from cyclegan.inference.loading import load_batch_translator
from cyclegan.inference.translation_plan import Shape, Size
from preprocess.images.decode import READS_HEIC, BrokenImage, ImageArray, TooManyPixels, decode
from preprocess.images.file_headers import HEAD_BYTES, is_image

if TYPE_CHECKING:
    from cyclegan.inference.batch_translator import BatchTranslator

log = logging.getLogger(__name__)

FILE_THREADS = 2  # that decode and write; an image of 64 megapixels takes 900 MB while it is decoded
TOGETHER = 4 * BATCHES[0]  # images of any kinds that are taken at once: more would wait for each other's results
MEDIA_TYPES = {".png": "image/png", ".tif": "image/tiff"}


class Translation(NamedTuple):
    """The file of a translated image."""

    content: bytes
    media_type: str
    suffix: str


@dataclass(frozen=True)
class _Image:
    """An image at the size at which it is translated, and the height and width in its file."""

    direction: str
    pixels: ImageArray
    height: int
    width: int


class TranslationService:
    """Both directions of a training, on one device. Made where TensorFlow may start, which takes seconds."""

    def __init__(self, settings: ServiceSettings) -> None:
        """Load the generators, and compile their programs or find them in the cache. Raises UserError as `BatchTranslator`."""
        self._settings = settings
        self._files = ThreadPoolExecutor(FILE_THREADS, "files")
        # One thread for all of TensorFlow, started by this one and so bound to the same cores.
        self._generator = ThreadPoolExecutor(1, "generator")
        self._generator.submit(self._load).result()
        self._in_batch = Gathering(self._run, TOGETHER)

    async def translate(self, content: bytes, direction: str) -> Translation:
        """Translate an image file. Raises Refused if it is none, is damaged, or is too large."""
        loop = asyncio.get_running_loop()
        image = await loop.run_in_executor(self._files, self._read, content, direction)
        result = await self._in_batch(image)
        if isinstance(result, BrokenImage):
            log.warning(f"an image of {image.width}x{image.height} pixels was refused: {result}")
            raise Refused(413, f"An image of {image.width}x{image.height} pixels is too large to be translated here.")
        return await loop.run_in_executor(self._files, self._written, result, image)

    def _load(self) -> None:
        settings = self._settings
        trained = settings.trained
        only = settings.scale.only_size(trained.preparation)
        size = Size(*only, trained.model.bits) if only else None
        self._programs = {size: shapes_for(size, trained.model)} if size else {}
        shapes = [shape for shapes in self._programs.values() for shape in shapes]
        self._translators: dict[str, BatchTranslator] = {
            direction: load_batch_translator(trained, direction, shapes) for direction in settings.directions
        }
        for direction, translate in self._translators.items():
            warmed: list[Shape | None] = [*shapes] or [None]
            for shape in warmed:
                side = (shape.height, shape.width) if shape else (trained.model.smallest, trained.model.smallest)
                blank = np.zeros((*side, trained.model.channels_of(direction)[0]), np.uint8 if trained.model.bits == 8 else np.uint16)
                translate([blank], shape)

    def _read(self, content: bytes, direction: str) -> _Image:
        settings = self._settings
        trained = settings.trained
        try:
            pixels = decode(content, channels=trained.model.channels_of(direction)[0], bits=None, megapixels=settings.megapixels)
        except TooManyPixels as error:
            raise Refused(413, f"The image has too many pixels: {error}.") from error
        except BrokenImage as error:
            status = 422 if is_image(content[:HEAD_BYTES], READS_HEIC) else 415
            raise Refused(status, f"The file cannot be read as an image: {error}.") from error
        height, width, _ = pixels.shape
        size = settings.scale.scaled_size(height, width, trained.preparation)
        for high, wide in (size, settings.scale.restored_size(*size, height, width)):
            if high * wide > settings.megapixels * 1e6:
                limit = f"more than {settings.megapixels:g} megapixels"
                raise Refused(413, f"An image of {width}x{height} pixels would become one of {wide}x{high}, {limit}.")
        return _Image(direction, settings.scale.scaled(pixels, trained.preparation), height, width)

    async def _run(self, images: Sequence[_Image]) -> list[ImageArray | BrokenImage]:
        return await asyncio.get_running_loop().run_in_executor(self._generator, self._translated, images)

    def _translated(self, images: Sequence[_Image]) -> list[ImageArray | BrokenImage]:
        kinds = [Kind(image.direction, Size(image.pixels.shape[0], image.pixels.shape[1], 8 * image.pixels.itemsize)) for image in images]
        results: dict[int, ImageArray | BrokenImage] = {}
        for group in plan_groups(kinds, self._programs):
            translate = self._translators[group.direction]
            results.update(zip(group.images, translate([images[i].pixels for i in group.images], group.shape), strict=True))
        return [results[i] for i in range(len(images))]

    def _written(self, result: ImageArray, image: _Image) -> Translation:
        pixels = self._settings.scale.restored(result, image.height, image.width)
        suffix, file = suffix_for(pixels.shape[2]), io.BytesIO()
        write_image(pixels, suffix, file)
        return Translation(file.getvalue(), MEDIA_TYPES[suffix], suffix)
