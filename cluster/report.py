"""`python -m cluster.report RUN…`: a run as one HTML page, or several runs compared on one. Needs no cluster."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cluster.paths import REPORT
from cluster.reporting.page import GENERATOR, MOST_RUNS, render
from cluster.reporting.run_files import RunFiles, RunReader, check_is_run
from cluster.reporting.sample_images import shares
from ringcycle.cli import ExitCode, Parser, fail, run
from ringcycle.errors import UserError
from ringcycle.output import say
from ringcycle.storage.location import Location, as_location, child, redacted, shown
from ringcycle.storage.store import Store, parent_and_name, reading, writing

COMPARISON = "comparison.html"
SUFFIXES = (".html", ".htm")


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the runs and write the page. Returns 0, or 2 after a user's mistake."""
    parser = Parser(prog="python -m cluster.report", description=__doc__)
    parser.add_argument("runs", type=as_location, nargs="+", metavar="RUN", help="folder of a run, or its location in an object store")
    default = f"RUN/{REPORT}; {COMPARISON} in this folder for several runs"
    parser.add_argument("--out", type=as_location, metavar="FILE", help=f"page to write (default: {default})")
    given = parser.parse_args(arguments)
    try:
        runs = _checked(given.runs)
        out = given.out or (child(runs[0], REPORT) if len(runs) == 1 else Path(COMPARISON))
        _check_out(out)
        found = read_runs(runs)
        page = render(found, datetime.now(UTC)).encode()
        store, name = parent_and_name(out)
        with writing(store.location, name):
            store.write(name, page)
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    for read in found:
        if not read.metrics.steps.size:
            say(f"run {read.name} has not logged a step yet: its page has no curves")
    say(f"wrote {store.label(name)} ({len(page) / 1e6:.1f} MB)")
    return ExitCode.OK


def read_runs(runs: Sequence[Location]) -> list[RunFiles]:
    """What there is of each run; two of the same name are told apart by their location. Raises UserError."""
    most, each = shares(len(runs))
    found = []
    for location in runs:
        with reading(location, "RUN"):
            found.append(RunReader(location).read(most, each))
    return [replace(read, name=name) for read, name in zip(found, _names([read.label for read in found]), strict=True)]


def _names(labels: Sequence[str]) -> list[str]:
    """The last part of each location; where several have the same, as many of the last parts as tell them apart."""
    return [next(end for end in _ends(label) if sum(end in _ends(other) for other in labels) == 1) for label in labels]


def _ends(label: str) -> list[str]:
    """For a/b/c: c, b/c, a/b/c."""
    parts = label.split("/")
    return ["/".join(parts[-count:]) for count in range(1, len(parts) + 1)]


def _checked(runs: Sequence[Location]) -> list[Location]:
    if len(runs) > MOST_RUNS:
        raise UserError(f"{len(runs)} runs are given, but a page has colours for {MOST_RUNS}: give fewer")
    checked: list[Location] = []
    for given in runs:
        check_is_run(given)
        location = Path(os.path.abspath(given)) if isinstance(given, Path) else given.rstrip("/")
        if location in checked:
            raise UserError(f"RUN = {shown(given)} is given twice: give each run once")
        checked.append(location)
    return checked


def _check_out(out: Location) -> None:
    """Only a page may be replaced by a page."""
    store, name = parent_and_name(out)
    if not name.endswith(SUFFIXES):
        raise UserError(f"--out = {redacted(out)} does not end with .html: name a page")
    with reading(out, "--out"):
        if Store(out).kind().name == "Directory":
            raise UserError(f"--out = {shown(out)} is a folder: name a file in it, such as {shown(child(out, REPORT))}")
        size = store.size(name)
        if size and GENERATOR.encode() not in store.read_range(name, 0, 1024):
            raise UserError(f"--out = {shown(out)} exists and is no report: name another file")


if __name__ == "__main__":
    sys.exit(run(main))
