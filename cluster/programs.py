"""`python -m cluster.programs`: what XLA makes of a training's compiled units, as a worker on this machine compiles them."""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.driver.console import Screen
from cluster.driver.shard_compatibility import check_identity
from cluster.job import images_by_settings
from cluster.load_config import load_config
from cluster.program_reports import ProgramReports, program_reports
from cyclegan.config import ModelSpec
from ringcycle.cli import ExitCode, fail, run
from ringcycle.errors import UserError

if TYPE_CHECKING:
    from cyclegan.training.compiled_function import CompileReport
    from cyclegan.training.hlo_report import HloReport

MIB = 2**20
MAX_KINDS = 8  # of operations listed by name, the most frequent ones


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the configuration, compile its units, print a report on each. Returns the exit code."""
    try:
        config = load_config(sys.argv[1:] if arguments is None else arguments, os.environ)
        images = images_by_settings(config.data)
        check_identity(config.train, images)
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    screen = Screen()
    with tempfile.TemporaryDirectory(prefix="ringcycle-programs-") as dumps:
        for line in _lines(program_reports(config, ModelSpec.of(config.model, images), Path(dumps))):
            screen.line(line)
    return ExitCode.OK


def _lines(programs: ProgramReports) -> list[str]:
    head = f"as a worker with {programs.cores} cores compiles them; cache {programs.cache}"
    pairs = zip(programs.reports, programs.units, strict=True)
    return [head, *(line for report, unit in pairs for line in ("", *unit_lines(report, unit)))]


def unit_lines(report: "CompileReport", unit: "HloReport") -> list[str]:
    """The report on one compiled unit."""
    tables = [i.bytes for i in unit.inputs if i.use == "table"]
    inputs = [(i.name, f"{i.type}, {i.use}") for i in unit.inputs if i.use != "table"]
    if tables:
        inputs.append((f"{len(tables)} index tables", f"{sum(tables) / MIB:.1f} MiB"))
    width = max(len(name) for name, _ in inputs)
    kinds = list(unit.operations.items())
    named = [f"{count} {kind}" for kind, count in kinds[:MAX_KINDS]]
    if len(kinds) > MAX_KINDS:
        named.append(f"{sum(count for _, count in kinds[MAX_KINDS:])} others")
    memory = unit.memory
    return [
        f"{report.name}: compiled in {report.seconds:.1f} s, cache {'hit' if report.hit else 'miss'}",
        *(f"  {name:<{width}}  {text}" for name, text in inputs),
        f"  results: {', '.join(unit.results) or 'none'}",
        f"  operations: {sum(unit.operations.values())}: {', '.join(named)}; {unit.inside} including those inside fusions",
        f"  constants folded: {unit.constants}",
        f"  memory in MiB: arguments {memory.arguments / MIB:.1f}, results {memory.results / MIB:.1f}, "
        f"temporary {memory.temporary / MIB:.1f}, constants {memory.constants / MIB:.1f}",
    ]


if __name__ == "__main__":
    sys.exit(run(main))
