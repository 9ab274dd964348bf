"""`python -m cluster.serve`: a training as a web page and an HTTP endpoint, on Ray Serve.

What a user can get wrong is checked before Ray starts, which takes seconds.
"""

import argparse
import os
import sys
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import ray

from cluster.driver.signals import StopSignals
from cluster.serving import access
from cluster.serving.settings import ServiceSettings
from cyclegan.inference.generator_checkpoint import read_generators, read_which
from cyclegan.inference.scale import read_scale
from cyclegan.inference.translation_request import SCALE_HELP, WHICH_HELP
from ringcycle.cli import ExitCode, Parser, fail, run
from ringcycle.errors import UserError
from ringcycle.logs import send_lines
from ringcycle.output import say
from ringcycle.ray_start import start_ray
from ringcycle.storage.location import as_location

EXTRA = {"fastapi": "fastapi", "uvicorn": "uvicorn", "python-multipart": "python_multipart"}
"""Packages of the extra `serve`, and the module of each."""
MAX_MEGABYTES, MAX_MEGAPIXELS = 32, 64
LARGEST = 1024  # that either may be set to
MOST_REPLICAS = 1024


@dataclass(frozen=True)
class Request:
    """What the user asks for, checked. cpus: of each replica; 0: as many as fit."""

    settings: ServiceSettings
    host: str
    port: int
    replicas: int
    cpus: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, serve until a signal comes. 0: ended by one; 2: a user's mistake."""
    given = _parser().parse_args(arguments)
    send_lines(lambda line: say(line, file=sys.stderr))
    terminal = sys.stdout
    # Ray prints what becomes of its processes, in its own words and many; this command says what matters.
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        try:
            _check_extra()
            request = _read(given, os.environ)
            with StopSignals() as signals:
                _serve(request, signals, partial(say, file=terminal))
        except UserError as error:
            fail(error)
            return ExitCode.USAGE
        finally:
            ray.shutdown()
    say("ended")
    return ExitCode.OK


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m cluster.serve", description="Translate images on a web page, and for other programs over HTTP.")
    parser.add_argument(
        "--checkpoint", type=as_location, required=True, metavar="RUN_OR_CHECKPOINT", help="folder of a run, or of a checkpoint"
    )
    parser.add_argument("--which", default="newest", metavar="newest|best", help=WHICH_HELP)
    parser.add_argument("--scale", default="trained", metavar="trained|native|PIXELS", help=SCALE_HELP)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine alone)")
    parser.add_argument("--port", default="8000", help="port to listen on (default: 8000)")
    token = f"what clients must send; needed unless HOST is a loopback address; better given by {access.TOKEN_VARIABLE}"
    parser.add_argument("--token", help=token)
    parser.add_argument("--replicas", default="1", metavar="N", help="processes that translate (default: 1)")
    parser.add_argument("--cpus", default="0", metavar="N", help="CPUs of each replica (default: as many as fit)")
    size = f"an image file of more MB is refused (default: {MAX_MEGABYTES})"
    parser.add_argument("--max-megabytes", default=str(MAX_MEGABYTES), metavar="N", help=size)
    pixels = f"an image of more megapixels is refused before it is decoded (default: {MAX_MEGAPIXELS})"
    parser.add_argument("--max-megapixels", default=str(MAX_MEGAPIXELS), metavar="N", help=pixels)
    return parser


def _check_extra() -> None:
    missing = [package for package, module in EXTRA.items() if find_spec(module) is None]
    if missing:
        raise UserError(f"python -m cluster.serve needs {' and '.join(missing)}, of the extra `serve`: pip install '.[serve]'")


def _read(given: argparse.Namespace, environment: MutableMapping[str, str]) -> Request:
    """Check the arguments and read the checkpoint. The token is taken out of `environment`: Ray's processes would inherit it."""
    host, port = access.read_host(given.host), access.read_port(given.port)
    token = access.read_token(given.token, environment, host)
    environment.pop(access.TOKEN_VARIABLE, None)
    replicas, cpus = _number("--replicas", given.replicas, MOST_REPLICAS), _number("--cpus", given.cpus, MOST_REPLICAS, 0)
    megabytes = _number("--max-megabytes", given.max_megabytes, LARGEST)
    megapixels = _number("--max-megapixels", given.max_megapixels, LARGEST)
    scale = read_scale(given.scale)
    access.check_free(host, port)
    trained = read_generators(given.checkpoint, read_which(given.which))
    settings = ServiceSettings(trained, scale, megabytes * 10**6, megapixels, access.digest(token))
    return Request(settings, host, port, replicas, cpus)


def _number(option: str, text: str, most: int, least: int = 1) -> int:
    if not (text.isdecimal() and len(text) <= 9 and least <= int(text) <= most):
        raise UserError(f"{option} = {text}: give a whole number from {least} to {most:,}")
    return int(text)


def _serve(request: Request, signals: StopSignals, tell: Callable[[str], None]) -> None:
    """Start or join Ray, and serve until a signal comes. tell: shows a line to the user."""
    from cluster.serving.deployment import plan_place, serving, watch  # after the check of the extra

    settings, trained = request.settings, request.settings.trained
    scale = settings.scale.describe(trained.preparation)
    tell(f"{' and '.join(settings.directions)} by step {trained.step:,} of {trained.folder}, {scale}")
    joined = start_ray()

    def stopped() -> bool:
        return signals.count > 0

    place = plan_place(request.host, request.port, request.replicas, request.cpus, joined)
    tell(f"starting {place.replicas} replica{'s' if place.replicas > 1 else ''} with {place.cpus} CPU{'s' if place.cpus > 1 else ''}")
    with serving(settings, place, stopped):
        if not stopped():
            tell(f"ready, Ctrl-C ends it: {access.url(place.host, place.port)}")
            watch(stopped)


if __name__ == "__main__":
    sys.exit(run(main))
