"""`python -m cyclegan.evaluate`: how far translations are from the truth, for data sets whose truth is known.

`python -m preprocess.synthetic` writes such a source: testA and testB, and for each of their images the same scene in the other
domain, truth/AtoB/STEM.png and truth/BtoA/STEM.png.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from cyclegan.inference.files import LIMIT_HELP, MAX_MEGAPIXELS, find_images, megapixels, read_image
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint, read_generators
from cyclegan.inference.progress import screen, track
from cyclegan.inference.tables import image_table
from cyclegan.translate import load_translator
from preprocess.images.decode import BrokenImage, ImageArray
from preprocess.images.decoded_image import to_depth
from ringcycle.cli import ExitCode, Parser, fail, run
from ringcycle.domains import DIRECTIONS
from ringcycle.errors import UserError
from ringcycle.logs import send_lines
from ringcycle.output import printable, say
from ringcycle.storage.atomic import write_atomic
from ringcycle.storage.location import Location, as_location

EXAMPLES = 4  # images of each direction in the table

Example = tuple[ImageArray, ImageArray, ImageArray]
"""A test image, its translation and the truth; uint8 [H, W, C] each."""


@dataclass(frozen=True)
class TruthError:
    """Mean absolute errors of one direction over complete test images, in levels of 0 to 255; the first few images as examples."""

    images: int
    translated: float
    unchanged: float
    examples: tuple[Example, ...]

    @property
    def ratio(self) -> float:
        """The share of the error that remains: 0 is perfect, 1 is no better than leaving the image unchanged."""
        return self.translated / self.unchanged if self.unchanged else float("inf")

    def describe(self) -> str:
        """One line."""
        return (
            f"mean absolute error {self.translated:.2f} of 255, unchanged {self.unchanged:.2f}, "
            f"ratio {self.ratio:.3f} ({self.images} images)"
        )


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, evaluate both directions, print the numbers; 2 after a user's mistake."""
    parser = Parser(prog="python -m cyclegan.evaluate", description="Compare translations with the known truth.")
    parser.add_argument(
        "--checkpoint", type=as_location, required=True, metavar="RUN_OR_CHECKPOINT", help="folder of a run, or of a checkpoint"
    )
    parser.add_argument("--images", type=Path, metavar="OUT.png", help="write a table of images, translations and truths there")
    parser.add_argument("--max-megapixels", type=megapixels, default=MAX_MEGAPIXELS, metavar="N", help=LIMIT_HELP)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder written by `python -m preprocess.synthetic`")
    given = parser.parse_args(arguments)
    send_lines(screen().print)
    try:
        errors = ground_truth_error(given.checkpoint, given.source, given.images, given.max_megapixels)
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    for direction, found in errors.items():
        say(f"{direction}: {found.describe()}")
    return ExitCode.OK


def ground_truth_error(location: Location, source: Path, images: Path | None = None, most: float = MAX_MEGAPIXELS) -> dict[str, TruthError]:
    """Translate all test images of `source`, uncropped, and compare them with their truth, for each of DIRECTIONS.

    location: a run's folder or a checkpoint. images: a .png file to write, with a few images of each direction beside
    their translation and truth. most: megapixels that an image may have. Progress goes to standard error. Raises UserError if one of
    them is not what it should be.
    """
    if images and images.suffix.lower() != ".png":
        raise UserError(f"--images = {images} does not end with .png: give a name that does")
    pairs = find_pairs(source)
    console = screen()
    trained = read_generators(location)
    console.print(printable(f"evaluating step {trained.step:,} of {trained.folder}"))
    errors = {direction: _direction_error(trained, direction, pairs[direction], most, console) for direction in DIRECTIONS}
    if images:
        _write_examples(images, errors)
    return errors


def find_pairs(source: Path) -> dict[str, list[tuple[Path, Path]]]:
    """Test images with their truths, by direction. Raises UserError if a folder or a truth is missing."""
    pairs = {}
    for direction in DIRECTIONS:
        tests, truths = source / f"test{direction[0]}", source / "truth" / direction
        for folder in (source, tests, truths):
            if not folder.is_dir():
                raise UserError(f"SOURCE = {source}: there is no folder {folder}: give what `python -m preprocess.synthetic` wrote")
        pairs[direction] = [(tests / name, (truths / name).with_suffix(".png")) for name in find_images(tests, "SOURCE")]
        missing = [truth for _, truth in pairs[direction] if not truth.is_file()]
        if missing or not pairs[direction]:
            fact = f"{missing[0]} is missing" if missing else f"{tests} holds no images"
            raise UserError(f"SOURCE = {source}: {fact}: give what `python -m preprocess.synthetic` wrote")
    return pairs


def _write_examples(path: Path, errors: dict[str, TruthError]) -> None:
    blocks = [
        ((f"{name[0]} (input)", f"translated to {name[-1]}", f"{name[-1]} (truth)"), found.examples) for name, found in errors.items()
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, lambda file: image_table(blocks).save(file, "PNG"))
    except OSError as error:
        raise UserError(f"--images = {path} cannot be written ({error.strerror}): give another file") from error


def _direction_error(
    trained: GeneratorCheckpoint, direction: str, pairs: list[tuple[Path, Path]], most: float, console: Console
) -> TruthError:
    translate = load_translator(trained, direction)
    taken, made = trained.model.channels_of(direction)
    translated: list[float] = []
    unchanged: list[float] = []
    examples: list[Example] = []
    for image, truth in track(pairs, direction, console):
        try:
            given, wanted = read_image(image, taken, 8, most), read_image(truth, made, 8, most)
            got = to_depth(translate(given), 8)
        except BrokenImage as reason:
            raise UserError(f"SOURCE: {image} or its truth cannot be used ({reason}): write the data set again") from reason
        if given.shape[:2] != wanted.shape[:2]:
            raise UserError(f"SOURCE: {image} and its truth {truth} differ in size: write the data set again")
        translated.append(_distance(got, wanted))
        unchanged.append(_distance(given, wanted))
        if len(examples) < EXAMPLES:
            examples.append((given, got, wanted))
    return TruthError(len(pairs), float(np.mean(translated)), float(np.mean(unchanged)), tuple(examples))


def _distance(one: ImageArray, other: ImageArray) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


if __name__ == "__main__":
    sys.exit(run(main))
