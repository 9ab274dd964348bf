"""`python -m cluster.translate`: a folder of images to the other domain, on all nodes of a Ray cluster. A rerun continues."""

import os
import sys
from argparse import ArgumentTypeError
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import ray
from rich.console import Console

from cluster.driver.signals import StopSignals
from cluster.translation.placement import seats
from cluster.translation.pool import TranslationPool
from cluster.translation.record import TranslationRecord
from cluster.translation.visibility import check_visible
from cyclegan.inference.job_translator import Skipped, Written
from cyclegan.inference.progress import screen, track_images
from cyclegan.inference.run_jobs import Finished, in_order
from cyclegan.inference.translation_plan import describe, plan_jobs, shapes_of
from cyclegan.inference.translation_request import Request, add_arguments, read_request
from ringcycle.cli import ExitCode, Parser, fail, run
from ringcycle.errors import UserError
from ringcycle.logs import add_log_level, send_lines
from ringcycle.output import printable, say
from ringcycle.ray_start import start_ray


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, translate, report the outcome.

    0: all translated; 1: some skipped; 2: a user's mistake; 75: stopped, run the same command to continue.
    """
    parser = Parser(prog="python -m cluster.translate", description="Translate a folder of images on all nodes of a Ray cluster.")
    add_arguments(parser)
    parser.add_argument("--actors", type=_count, default=0, metavar="N", help="processes in all; default: one for each NUMA node")
    add_log_level(parser)
    given = parser.parse_args(arguments)
    console = screen()
    send_lines(console.print, given.log_level)
    try:
        _check_folders(given.input, given.output, os.environ)
        return _translate(read_request(given), given.actors, console)
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    finally:
        ray.shutdown()


def _translate(request: Request, actors: int, console: Console) -> int:
    """Translate what is missing; report which images are skipped and why, in order. Returns the exit code."""
    record = TranslationRecord(request.output, request.settings)
    missing = record.missing(request.files)
    left = replace(request, files=[request.files[i] for i in missing])
    if len(missing) < len(request.files):
        console.print(f"{len(request.files) - len(missing):,} of {len(request.files):,} images are translated already")
    done = skipped = 0
    if missing:
        record.open()
        with closing(record), StopSignals() as signals, closing(_run(left, actors, signals, console)) as finished:
            results = in_order(_recorded(finished, left, record))
            for i, result in track_images(results, len(missing), "translating", console):
                done += 1
                if isinstance(result, Skipped):
                    console.print(printable(f"skipped: {left.files[i][0]}: {result.reason}"))
                    skipped += 1
    if done < len(missing):
        fail(f"stopped: {len(record.missing(request.files)):,} of {len(request.files):,} images are left: run the same command to continue")
        return ExitCode.STOPPED
    say(request.outcome(skipped))
    return ExitCode.FAILED if skipped else ExitCode.OK


def _run(request: Request, actors: int, signals: StopSignals, console: Console) -> Generator[Finished[Written | Skipped], None, None]:
    """Start or join Ray, and yield the results of jobs as they arrive, until a signal comes."""
    joined = start_ray()
    files = [(image.absolute(), result.absolute()) for image, result in request.files]
    check_visible(files[0][0], request.output.absolute())
    places = seats(actors, joined)
    jobs = plan_jobs(request.sizes(), request.settings.trained.model, sum(seat.cpus for seat in places))
    if compiled := describe(jobs):
        console.print(compiled)
    pool = TranslationPool(request.settings, shapes_of(jobs), places[: len(jobs)], lambda: signals.count > 0)
    yield from pool.run(jobs, files)


def _recorded(
    finished: Iterable[Finished[Written | Skipped]], request: Request, record: TranslationRecord
) -> Iterator[Finished[Written | Skipped]]:
    """Record each result that was written, as it arrives."""
    for job, results in finished:
        for i, result in zip(job.images, results, strict=True):
            if isinstance(result, Written):
                record.add(*request.files[i], result)
        yield job, results


def _check_folders(given: Path, output: Path, environment: Mapping[str, str]) -> None:
    """Raises UserError if there is nothing to share among nodes, or the results would vanish."""
    if given.is_file():
        raise UserError(f"INPUT = {given} is one image: give a folder, or use python -m cyclegan.translate")
    here = Path.cwd().resolve()
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in environment and output.resolve().is_relative_to(here):
        raise UserError(
            f"OUTPUT = {output} lies in the job's working directory, an unpacked copy that vanishes with the job: "
            "give an absolute path that all nodes see"
        )


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ArgumentTypeError(f"{text} is not above 0")
    return value


if __name__ == "__main__":
    sys.exit(run(main))
