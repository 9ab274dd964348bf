"""`python -m cluster.doctor`: whether a training would run well on this machine or cluster; a verdict and a cure for each thing checked."""

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import ray

from cluster.diagnosis.display import Display, summary
from cluster.diagnosis.examine import Examination, Request
from cluster.diagnosis.finding import Verdict, worst
from cluster.load_config import load_config
from ringcycle.cli import ExitCode, Parser, duration, fail, run
from ringcycle.errors import UserError
from ringcycle.logs import send_lines
from ringcycle.output import say


def main(arguments: Sequence[str] | None = None) -> int:
    """Check everything and print the findings. Also takes the options of `cluster.train`.

    0: no problem; 1: a problem, with which a training would fail; 2: the command line or the configuration is wrong.
    """
    parser = Parser(
        prog="python -m cluster.doctor",
        usage="%(prog)s [--json] [--config FILE] [--section.field VALUE …]",
        description="Check this machine, or each node of a Ray cluster, and predict time and memory of a training. Leaves nothing behind.",
        epilog="Takes the fields of `python -m cluster.train`, whose --help lists them. Exit code 1 if there is a problem.",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    given, rest = parser.parse_known_args(arguments)
    try:
        config = load_config(rest, os.environ)
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    display = Display(silent=given.json)
    send_lines((lambda line: say(line, file=sys.stderr)) if given.json else display.line)
    examination = Examination(Request(config, os.environ, Path.cwd()), display.phase, display.show)
    began = time.monotonic()
    try:
        examination.run()
    except KeyboardInterrupt:
        fail("interrupted before everything was checked")
        return ExitCode.INTERRUPTED
    finally:
        display.close()
        ray.shutdown()
    seconds = time.monotonic() - began
    if given.json:
        say(json.dumps(_document(examination, seconds), ensure_ascii=False))
    else:
        display.line("")
        display.line(f"{summary(examination.findings)} ({duration(seconds)})")
    return ExitCode.FAILED if worst(examination.findings) is Verdict.PROBLEM else ExitCode.OK


def _document(examination: Examination, seconds: float) -> dict[str, object]:
    """What `--json` prints."""
    return {
        "verdict": str(worst(examination.findings)),
        "seconds": round(seconds, 1),
        "nodes": [node.name for node in examination.nodes],
        "findings": [finding.as_json() for finding in examination.findings],
    }


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was written to the storage is deleted
    sys.exit(run(main))
