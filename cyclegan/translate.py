"""`python -m cyclegan.translate`: images to the other domain, by the generators of a training.

What a user can get wrong is checked before TensorFlow is imported, which takes seconds.
"""

import os
import sys
from functools import partial
from pathlib import Path

from rich.console import Console

from cyclegan.inference.files import read_image
from cyclegan.inference.job_translator import IN_FLIGHT, JobTranslator, Skipped
from cyclegan.inference.progress import meter, screen, track_images
from cyclegan.inference.run_jobs import in_order, run_jobs
from cyclegan.inference.translation_plan import describe, plan_jobs, shapes_of
from cyclegan.inference.translation_request import Request, add_arguments, read_request
from preprocess.images.decode import BrokenImage, TooManyPixels
from ringcycle.cli import ExitCode, Parser, fail, run
from ringcycle.errors import UserError
from ringcycle.logs import add_log_level, send_lines
from ringcycle.options import byte_size
from ringcycle.output import printable, say

MEMORY_HELP = (
    "bytes that the process may take on CPUs, such as 2GiB (default: what is free); an image that needs more is translated in strips, with "
    "files in TMPDIR (default: /var/tmp)"
)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, translate, report the outcome. 0: all translated; 1: some skipped; 2: a user's mistake."""
    parser = Parser(prog="python -m cyclegan.translate", description="Translate an image, or a folder of images.")
    add_arguments(parser)
    parser.add_argument("--memory", metavar="SIZE", help=MEMORY_HELP)
    add_log_level(parser)
    given = parser.parse_args(arguments)
    console = screen()
    send_lines(console.print, given.log_level)
    try:
        memory = byte_size("--memory", given.memory) if given.memory is not None else None
        request = read_request(given)
        if given.input.is_file():
            _check_single(given.input, request)
        skipped = _translate(request, memory, console)
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    say(request.outcome(skipped))
    return ExitCode.FAILED if skipped else ExitCode.OK


def _translate(request: Request, memory: int | None, console: Console) -> int:
    """Translate all images, in so many bytes; report which are skipped and why, in order. Returns their number."""
    jobs = plan_jobs(request.sizes(), request.settings.trained.model, len(os.sched_getaffinity(0)))
    if compiled := describe(jobs):
        console.print(compiled)
    translate, files = JobTranslator(request.settings, shapes_of(jobs), memory, partial(meter, console=console)), request.files
    finished = run_jobs(jobs, lambda job: translate([files[i] for i in job.images], job.shape), IN_FLIGHT if memory is None else 1)
    skipped = 0
    for i, result in track_images(in_order(finished), len(files), "translating", console):
        if isinstance(result, Skipped):
            console.print(printable(f"skipped: {files[i][0]}: {result.reason}"))
            skipped += 1
    return skipped


def _check_single(image: Path, request: Request) -> None:
    """In a folder broken images are skipped; a single broken image is a user's mistake, reported before TensorFlow is imported."""
    settings = request.settings
    try:
        read_image(image, settings.trained.model.channels_of(settings.direction)[0], None, settings.megapixels)
    except TooManyPixels as reason:
        raise UserError(f"INPUT = {image} cannot be translated: {reason}: raise that, or give a smaller image") from reason
    except BrokenImage as reason:
        raise UserError(f"INPUT = {image} cannot be translated: {reason}: give an image, or a folder of images") from reason


if __name__ == "__main__":
    sys.exit(run(main))
