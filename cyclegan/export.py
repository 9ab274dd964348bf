"""`python -m cyclegan.export`: one direction of a training for other runtimes, as a SavedModel, an ONNX file or a TFLite file.

What a user can get wrong is checked before TensorFlow is imported, which takes seconds.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import ByteSize

from cyclegan.exporting.comparison import BOUND, Comparison, compare, drawn_image, read_check_image
from cyclegan.exporting.formats import FORMATS, INPUT, OUTPUT, check_packages, load, smallest_side, write
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint, read_direction, read_generators, read_which
from cyclegan.inference.loading import load_translator
from cyclegan.inference.translation_request import WHICH_HELP
from preprocess.images.decoded_image import ImageArray
from ringcycle.cli import ExitCode, Parser, fail, run
from ringcycle.domains import DIRECTIONS
from ringcycle.errors import UserError
from ringcycle.logs import add_log_level, send_lines
from ringcycle.output import say
from ringcycle.stderr import quiet_stderr
from ringcycle.storage.location import as_location


@dataclass(frozen=True)
class Request:
    """What to export, where to, and the image by which the file is checked, uint16."""

    trained: GeneratorCheckpoint
    direction: str
    format: str
    output: Path
    image: ImageArray


def main(arguments: list[str] | None = None) -> int:
    """Export and say how the file is used. 1: the file computes something else; 2: a user's mistake."""
    parser = Parser(prog="python -m cyclegan.export", description="Export one direction of a training for other runtimes.")
    parser.add_argument("run", type=as_location, metavar="RUN_OR_CHECKPOINT", help="folder of a run, or of a checkpoint")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="file to write, .onnx or .tflite; for a SavedModel a folder")
    parser.add_argument("--format", required=True, choices=FORMATS, help="of the file")
    parser.add_argument("--direction", required=True, metavar="|".join(DIRECTIONS), help="from which domain to which")
    parser.add_argument("--which", default="newest", metavar="newest|best", help=WHICH_HELP)
    parser.add_argument("--image", type=Path, metavar="FILE", help="image by which the file is checked; default: one that is drawn")
    add_log_level(parser)
    given = parser.parse_args(arguments)
    send_lines(lambda line: say(line, file=sys.stderr), given.log_level)
    try:
        request = _read(given)
        with quiet_stderr():
            comparison = _export(request)
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    if not comparison.difference <= BOUND:
        fail(f"{given.output} is not written: its results differ by {comparison.difference:.2g}, and {BOUND:g} is allowed")
        return ExitCode.FAILED
    say(*_lines(request, comparison))
    return ExitCode.OK


def _read(given: argparse.Namespace) -> Request:
    """Check all arguments. Raises UserError."""
    _check_output(given.output, given.format)
    check_packages(given.format)
    direction, which = read_direction(given.direction), read_which(given.which)
    trained = read_generators(given.run, which, "RUN_OR_CHECKPOINT")
    trained.check_trained(direction, "--direction")
    channels = trained.model.channels_of(direction)[0]
    image = read_check_image(given.image, trained, channels) if given.image else drawn_image(trained, channels)
    return Request(trained, direction, given.format, given.output, image)


def _export(request: Request) -> Comparison:
    """Write beside OUTPUT, compare, and rename what holds. Raises UserError if it cannot be written."""
    output = request.output
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".export-", dir=output.parent) as folder:
            draft = Path(folder) / output.name
            write(request.format, request.trained, request.direction, draft)
            comparison = compare(load(request.format, draft), load_translator(request.trained, request.direction), request.image)
            if comparison.difference <= BOUND:
                draft.rename(output)
    except OSError as error:
        raise UserError(f"OUTPUT = {output} cannot be written ({error.strerror}): give another one") from error
    return comparison


def _check_output(output: Path, name: str) -> None:
    suffix = FORMATS[name].suffix
    if suffix and output.suffix.lower() != suffix:
        raise UserError(f"OUTPUT = {output} does not end with {suffix}, as files of --format = {name} do: give a name that does")
    if output.exists():
        raise UserError(f"OUTPUT = {output} exists already: give another name, or delete it")


def _lines(request: Request, comparison: Comparison) -> Iterator[str]:
    """What was written, and how it is called."""
    trained, output, form = request.trained, request.output, FORMATS[request.format]
    taken, made = trained.model.channels_of(request.direction)
    yield f"{output}: {_size(output)}, {request.direction}, step {trained.step:,} of {trained.folder}"
    yield f"checked on batches of {' and '.join(comparison.sizes)} pixels: results differ by {comparison.difference:.1g} at most"
    least = smallest_side(trained.model)
    yield f"input {INPUT}: float32 {form.axes(taken)}, pixels / 127.5 - 1, in [-1, 1]; any batch, sides of {least} pixels or more"
    yield f"output {OUTPUT}: float32 {form.axes(made)}, the same size, in [-1, 1]; pixels are (x + 1) * 127.5"
    yield f"in Python: {form.usage.format(path=output)}"


def _size(output: Path) -> str:
    files = [path for path in output.rglob("*") if path.is_file()] if output.is_dir() else [output]
    return ByteSize(sum(path.stat().st_size for path in files)).human_readable(decimal=True, separator=" ")


if __name__ == "__main__":
    sys.exit(run(main))
