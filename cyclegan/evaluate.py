"""`python -m cyclegan.evaluate`: how far translations are from the truth, where the truth is known.

`python -m preprocess.synthetic` writes such a source: testA and testB, and for each of their pictures the same scene in the other
domain, truth/AtoB/STEM.png and truth/BtoA/STEM.png.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from cyclegan.inference.generator_checkpoint import DIRECTIONS, Trained, read_trained
from cyclegan.inference.paths import find_pictures
from cyclegan.inference.progress import screen, track
from cyclegan.inference.tables import picture_table
from cyclegan.translate import MISTAKEN, load_translator
from preprocess.images.decode import BrokenPicture, Picture, decode
from preprocess.images.decoded_image import to_depth
from ringcycle.errors import UserError
from ringcycle.storage.atomic import write_atomic
from ringcycle.storage.location import Place, as_place

EXAMPLES = 4  # pictures of each direction in the table

Example = tuple[Picture, Picture, Picture]
"""A test picture, its translation and the truth; uint8 [H, W, C] each."""


@dataclass(frozen=True)
class TruthError:
    """Mean absolute errors of one direction over whole test pictures, in levels of 0 to 255; the first few pictures as examples."""

    pictures: int
    translated: float
    unchanged: float
    examples: tuple[Example, ...]

    @property
    def ratio(self) -> float:
        """The share of the error that is left: 0 is perfect, 1 no better than the picture unchanged."""
        return self.translated / self.unchanged if self.unchanged else float("inf")

    def describe(self) -> str:
        """One line."""
        return (
            f"mean absolute error {self.translated:.2f} of 255, unchanged {self.unchanged:.2f}, "
            f"ratio {self.ratio:.3f} ({self.pictures} pictures)"
        )


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, evaluate both directions, print the numbers; 2 after a user's mistake."""
    parser = argparse.ArgumentParser(prog="python -m cyclegan.evaluate", description="Compare translations with the known truth.")
    parser.add_argument(
        "--checkpoint", type=as_place, required=True, metavar="RUN_OR_CHECKPOINT", help="folder of a run, or of a checkpoint"
    )
    parser.add_argument("--pictures", type=Path, metavar="OUT.png", help="write a table of pictures, translations and truths there")
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder written by `python -m preprocess.synthetic`")
    given = parser.parse_args(arguments)
    try:
        errors = ground_truth_error(given.checkpoint, given.source, given.pictures)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return MISTAKEN
    for direction, found in errors.items():
        print(f"{direction}: {found.describe()}")
    return 0


def ground_truth_error(place: Place, source: Path, pictures: Path | None = None) -> dict[str, TruthError]:
    """Translate all test pictures of `source` whole and compare them with their truth, for each of DIRECTIONS.

    place: a run's folder or a checkpoint. pictures: a .png file to write, with a few rows of picture, translation and truth for each
    direction. Progress goes to standard error. Raises UserError if one of the three is not what it should be.
    """
    if pictures and pictures.suffix.lower() != ".png":
        raise UserError(f"--pictures = {pictures} does not end with .png: give a name that does")
    pairs = find_pairs(source)
    console = screen()
    trained = read_trained(place, console.print)
    console.print(f"evaluating step {trained.step:,} of {trained.folder}")
    errors = {direction: _direction_error(trained, direction, pairs[direction], console) for direction in DIRECTIONS}
    if pictures:
        _write_examples(pictures, errors)
    return errors


def find_pairs(source: Path) -> dict[str, list[tuple[Path, Path]]]:
    """Test pictures with their truths, by direction. Raises UserError if a folder or a truth is missing."""
    pairs = {}
    for direction in DIRECTIONS:
        tests, truths = source / f"test{direction[0]}", source / "truth" / direction
        for folder in (source, tests, truths):
            if not folder.is_dir():
                raise UserError(f"SOURCE = {source}: there is no folder {folder}: give what `python -m preprocess.synthetic` wrote")
        pairs[direction] = [(tests / name, (truths / name).with_suffix(".png")) for name in find_pictures(tests)]
        missing = [truth for _, truth in pairs[direction] if not truth.is_file()]
        if missing or not pairs[direction]:
            fact = f"{missing[0]} is missing" if missing else f"{tests} holds no pictures"
            raise UserError(f"SOURCE = {source}: {fact}: give what `python -m preprocess.synthetic` wrote")
    return pairs


def _write_examples(path: Path, errors: dict[str, TruthError]) -> None:
    blocks = [
        ((f"{name[0]} (input)", f"translated to {name[-1]}", f"{name[-1]} (truth)"), found.examples) for name, found in errors.items()
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, lambda file: picture_table(blocks).save(file, "PNG"))
    except OSError as error:
        raise UserError(f"--pictures = {path} cannot be written ({error.strerror}): give another place") from error


def _direction_error(trained: Trained, direction: str, pairs: list[tuple[Path, Path]], console: Console) -> TruthError:
    translate = load_translator(trained, direction)
    taken, made = trained.model.channels_of(direction)
    translated: list[float] = []
    unchanged: list[float] = []
    examples: list[Example] = []
    for picture, truth in track(pairs, direction, console):
        try:
            given, wanted = decode(picture, channels=taken), decode(truth, channels=made)
            got = to_depth(translate(given), 8)
        except BrokenPicture as reason:
            raise UserError(f"SOURCE: {picture} or its truth cannot be used ({reason}): write the set anew") from reason
        if given.shape[:2] != wanted.shape[:2]:
            raise UserError(f"SOURCE: {picture} and its truth {truth} differ in size: write the set anew")
        translated.append(_distance(got, wanted))
        unchanged.append(_distance(given, wanted))
        if len(examples) < EXAMPLES:
            examples.append((given, got, wanted))
    return TruthError(len(pairs), float(np.mean(translated)), float(np.mean(unchanged)), tuple(examples))


def _distance(one: Picture, other: Picture) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


if __name__ == "__main__":
    sys.exit(main())
