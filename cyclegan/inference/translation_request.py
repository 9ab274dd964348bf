"""What a user asks a translation for: the arguments of both commands, checked without TensorFlow."""

import argparse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cyclegan.inference.files import LIMIT_HELP, MAX_MEGAPIXELS, megapixels, plan_outputs
from cyclegan.inference.generator_checkpoint import read_direction, read_generators, read_which
from cyclegan.inference.job_translator import TranslationSettings
from cyclegan.inference.scale import read_scale
from cyclegan.inference.translation_plan import Size
from preprocess.images.decode import BrokenImage, header_of
from ringcycle.domains import DIRECTIONS
from ringcycle.storage.location import as_location

HEADERS_AT_ONCE = 16
OUTPUT_HELP = "folder for PNG files, or TIFF where PNG cannot hold the channels; for one image also a .png, .jpg or .tif file"
WHICH_HELP = "which checkpoint of a run; the best is so by its run.keep_best; default: newest"
SCALE_HELP = (
    "size at which images are translated: as the training resized its own (the default), as they are, or with so many pixels on the "
    "shorter side"
)


@dataclass(frozen=True)
class Request:
    """Settings, and each image with the file to write for it, in order. given, output: the user's INPUT and OUTPUT."""

    settings: TranslationSettings
    files: list[tuple[Path, Path]]
    given: Path
    output: Path

    def sizes(self) -> list[Size | None]:
        """The size at which each image will be translated, by its header; None if it has none."""
        with ThreadPoolExecutor(HEADERS_AT_ONCE) as pool:
            return list(pool.map(partial(_size, self.settings), [image for image, _ in self.files]))

    def outcome(self, skipped: int) -> str:
        """What came of it, in one line."""
        settings, single = self.settings, self.given.is_file()
        trained, where = settings.trained, self.files[0][1] if single else self.output
        done = f"{len(self.files) - skipped} translated, {skipped} skipped"
        how = f"{settings.direction}, step {trained.step:,} of {trained.folder}, {settings.scale.describe(trained.preparation)}"
        return f"{where}: {done} ({how})"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `read_request` takes."""
    parser.add_argument(
        "--checkpoint", type=as_location, required=True, metavar="RUN_OR_CHECKPOINT", help="folder of a run, or of a checkpoint"
    )
    parser.add_argument("--direction", required=True, metavar="|".join(DIRECTIONS), help="from which domain to which")
    parser.add_argument("input", type=Path, metavar="INPUT", help="an image, or a folder of images (folders inside it count too)")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help=OUTPUT_HELP)
    parser.add_argument("--which", default="newest", metavar="newest|best", help=WHICH_HELP)
    parser.add_argument("--scale", default="trained", metavar="trained|native|PIXELS", help=SCALE_HELP)
    parser.add_argument("--restore-size", action="store_true", help="scale each result to the size of its image")
    parser.add_argument("--max-megapixels", type=megapixels, default=MAX_MEGAPIXELS, metavar="N", help=LIMIT_HELP)


def read_request(given: argparse.Namespace) -> Request:
    """Read the checkpoint and list the images. Raises UserError for an argument that is not what it should be."""
    direction, scale = read_direction(given.direction), read_scale(given.scale, given.restore_size)
    trained = read_generators(given.checkpoint, read_which(given.which))
    trained.check_trained(direction, "--direction")
    plan = plan_outputs(given.input, given.output, trained.model.channels_of(direction)[1])
    return Request(TranslationSettings(trained, direction, scale, given.max_megapixels), list(plan.items()), given.input, given.output)


def _size(settings: TranslationSettings, image: Path) -> Size | None:
    try:
        header = header_of(image)
    except BrokenImage:
        return None
    return Size(*settings.scale.scaled_size(header.height, header.width, settings.trained.preparation), header.bits)
