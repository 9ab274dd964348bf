"""`python -m cyclegan.evaluate`: how good the translations of held-out images are.

Of any data set with testA and testB: the distance of the distributions, and how well the way back restores an image. Where the truth is
known, the error against it: `python -m preprocess.synthetic` writes such a source, and `--paired` names another.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from cyclegan.evaluation.inception_weights import CURE as CURE_OF_WEIGHTS
from cyclegan.evaluation.inception_weights import FILE
from cyclegan.inference.evaluation_report import as_json, describe, examples_png
from cyclegan.inference.files import LIMIT_HELP, MAX_MEGAPIXELS, megapixels
from cyclegan.inference.generator_checkpoint import Which, read_generators, read_which
from cyclegan.inference.held_out import Evaluation, evaluate_images
from cyclegan.inference.held_out_folder import CURE, Reading, held_out_folder
from cyclegan.inference.loading import load_features, load_translator
from cyclegan.inference.progress import screen
from cyclegan.inference.scale import Scale, read_scale
from cyclegan.inference.translation_request import SCALE_HELP, WHICH_HELP
from ringcycle.cli import ExitCode, Parser, fail, run
from ringcycle.domains import DIRECTIONS
from ringcycle.errors import UserError
from ringcycle.logs import add_log_level, send_lines
from ringcycle.output import printable, say
from ringcycle.storage.atomic import write_atomic
from ringcycle.storage.location import Location, as_location

TRAINED = Scale()


@dataclass(frozen=True)
class Options:
    """How to evaluate. images: a .png file to write, with a few images of each direction. weights: of an Inception network."""

    which: Which = "newest"
    scale: Scale = TRAINED
    images: Path | None = None
    paired: bool = False
    max_megapixels: float = MAX_MEGAPIXELS
    weights: Path | None = None


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, evaluate both directions, print the numbers; 2 after a user's mistake."""
    parser = Parser(prog="python -m cyclegan.evaluate", description="Measure translations of held-out images.")
    parser.add_argument(
        "--checkpoint", type=as_location, required=True, metavar="RUN_OR_CHECKPOINT", help="folder of a run, or of a checkpoint"
    )
    parser.add_argument("--which", default="newest", metavar="newest|best", help=WHICH_HELP)
    parser.add_argument("--scale", default="trained", metavar="trained|native|PIXELS", help=SCALE_HELP)
    parser.add_argument("--images", type=Path, metavar="OUT.png", help="write a table of images and their translations there")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="write the numbers there too")
    parser.add_argument("--paired", action="store_true", help="testA/NAME and testB/NAME show the same scene: measure the error against it")
    parser.add_argument("--features", choices=["none", "inception"], default="none", help="inception: also KID and FID, with --weights")
    parser.add_argument("--weights", type=Path, metavar="FILE", help=f"weights for --features inception: {FILE}, of pytorch-fid's releases")
    parser.add_argument("--max-megapixels", type=megapixels, default=MAX_MEGAPIXELS, metavar="N", help=LIMIT_HELP)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder with testA and testB; its folder truth is used if it has one")
    add_log_level(parser)
    given = parser.parse_args(arguments)
    send_lines(screen().print, given.log_level)
    try:
        weights = _weights(given.features, given.weights)
        options = Options(read_which(given.which), read_scale(given.scale), given.images, given.paired, given.max_megapixels, weights)
        evaluation = evaluate_folder(given.checkpoint, given.source, options)
        if given.json:
            _write("--json", given.json, as_json(evaluation).encode())
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    for line in describe(evaluation):
        say(line)
    return ExitCode.OK


def evaluate_folder(location: Location, source: Path, options: Options) -> Evaluation:
    """Measure a run's or a checkpoint's translations of all held-out images of `source`. Progress goes to standard error.

    Raises UserError if the checkpoint, the source or the file of images is not what it should be.
    """
    if options.images and options.images.suffix.lower() != ".png":
        raise UserError(f"--images = {options.images} does not end with .png: give a name that does")
    console = screen()
    trained = read_generators(location, options.which)
    if trained.untrained:
        fact = f"was converted without a generator of {trained.untrained[0]}"
        raise UserError(f"--checkpoint = {trained.folder} {fact}: give one with both, or train a run that starts from it")
    images = held_out_folder(source, trained, Reading(options.scale, options.paired, options.max_megapixels), console)
    console.print(printable(f"evaluating step {trained.step:,} of {trained.folder}, {options.scale.describe(trained.preparation)}"))
    translate = {direction: load_translator(trained, direction) for direction in DIRECTIONS}
    evaluation = evaluate_images(translate, images, load_features(options.weights) if options.weights else None)
    if not all(evaluation.images):
        raise UserError(f"SOURCE = {source}: none of the images of test{'AB'[bool(evaluation.images[0])]} can be used: {CURE}")
    if options.images:
        _write("--images", options.images, examples_png(evaluation))
    return evaluation


def _weights(features: str, weights: Path | None) -> Path | None:
    """The file of weights, if the features are wanted. Raises UserError if only one of the two is given."""
    if features == "inception" and weights is None:
        raise UserError(f"--features = inception needs --weights: {CURE_OF_WEIGHTS}")
    if features == "none" and weights is not None:
        raise UserError(f"--weights = {weights} has no use without --features inception: add it")
    return weights


def _write(option: str, path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, lambda file: file.write(content))
    except OSError as error:
        raise UserError(f"{option} = {path} cannot be written ({error.strerror}): give another file") from error


if __name__ == "__main__":
    sys.exit(run(main))
