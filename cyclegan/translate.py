"""`python -m cyclegan.translate`: images to the other domain, by the generators of a training.

What a user can get wrong is checked before TensorFlow is imported, which takes seconds.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from cyclegan.inference.files import LIMIT_HELP, MAX_MEGAPIXELS, megapixels, plan_outputs, read_image, write_image
from cyclegan.inference.generator_checkpoint import read_direction, read_generators, read_which
from cyclegan.inference.loading import Translate, at_scale, load_translator
from cyclegan.inference.progress import meter, screen, track
from cyclegan.inference.scale import read_scale
from preprocess.images.decode import BrokenImage, ImageArray, TooManyPixels
from ringcycle.cli import ExitCode, Parser, fail, run
from ringcycle.domains import DIRECTIONS
from ringcycle.errors import UserError
from ringcycle.logs import send_lines
from ringcycle.options import byte_size
from ringcycle.output import printable, say
from ringcycle.storage.atomic import write_atomic
from ringcycle.storage.location import as_location

Read = Callable[[Path], ImageArray]
"""Decodes an image. Raises BrokenImage."""

MEMORY_HELP = (
    "bytes that the process may take on CPUs, such as 2GiB (default: what is free); an image that needs more is translated in strips, with "
    "files in TMPDIR (default: /var/tmp)"
)
OUTPUT_HELP = "folder for PNG files, or TIFF where PNG cannot hold the channels; for one image also a .png, .jpg or .tif file"
WHICH_HELP = "which checkpoint of a run; the best is so by its run.keep_best; default: newest"
SCALE_HELP = (
    "size at which images are translated: as the training resized its own (the default), as they are, or with so many pixels on the "
    "shorter side"
)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, translate, report the outcome. 0: all translated; 1: some skipped; 2: a user's mistake."""
    parser = Parser(prog="python -m cyclegan.translate", description="Translate an image, or a folder of images.")
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
    parser.add_argument("--memory", metavar="SIZE", help=MEMORY_HELP)
    given = parser.parse_args(arguments)
    console = screen()
    send_lines(console.print)
    try:
        direction, scale = read_direction(given.direction), read_scale(given.scale, given.restore_size)
        memory = None if given.memory is None else byte_size("--memory", given.memory)
        trained = read_generators(given.checkpoint, read_which(given.which))
        taken, made = trained.model.channels_of(direction)
        plan = plan_outputs(given.input, given.output, made)
        read = partial(read_image, channels=taken, bits=None, most=given.max_megapixels)
        single = given.input.is_file()
        if single:
            _check_single(given.input, read)
        translate = at_scale(scale, trained.preparation, load_translator(trained, direction, memory, partial(meter, console=console)))
        skipped = translate_files(plan, translate, read, console)
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    where = next(iter(plan.values())) if single else given.output
    result = f"{len(plan) - skipped} translated, {skipped} skipped"
    say(f"{where}: {result} ({direction}, step {trained.step:,} of {trained.folder}, {scale.describe(trained.preparation)})")
    return ExitCode.FAILED if skipped else ExitCode.OK


def translate_files(plan: dict[Path, Path], translate: Translate, read: Read, console: Console) -> int:
    """Translate each image of `plan`, as `read` decodes it, to its file, completely or not at all; report which are skipped and why.

    Returns the number skipped.

    Raises UserError if a result cannot be written.
    """
    skipped = 0
    for image, result in track(list(plan.items()), "translating", console):
        try:
            translated = translate(read(image))
        except BrokenImage as reason:
            console.print(printable(f"skipped: {image}: {reason}"))
            skipped += 1
            continue
        try:
            result.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(result, partial(write_image, translated, result.suffix))
        except OSError as error:
            raise UserError(
                f"OUTPUT: {result} cannot be written ({error.strerror}): give another OUTPUT, or make this one writable"
            ) from error
    return skipped


def _check_single(image: Path, read: Read) -> None:
    """In a folder broken images are skipped; a single broken image is a user's mistake, reported before TensorFlow is imported."""
    try:
        read(image)
    except TooManyPixels as reason:
        raise UserError(f"INPUT = {image} cannot be translated: {reason}: raise that, or give a smaller image") from reason
    except BrokenImage as reason:
        raise UserError(f"INPUT = {image} cannot be translated: {reason}: give an image, or a folder of images") from reason


if __name__ == "__main__":
    sys.exit(run(main))
