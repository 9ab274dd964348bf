"""`python -m cluster.programs`: what XLA makes of a training's compiled units, as a worker on this machine compiles them."""

import json
import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.config import Config
from cluster.driver.console import Screen
from cluster.driver.shard_compatibility import check_identity
from cluster.hardware.affinity import bind_process
from cluster.hardware.default_workers import default_workers_here
from cluster.job import images_by_settings
from cluster.load_config import load_config
from cyclegan.config import ModelSpec
from preprocess.images.size import sides_of
from ringcycle.cli import ExitCode, fail, run
from ringcycle.errors import UserError
from ringcycle.stderr import quiet_stderr
from ringcycle.user_cache import compile_cache

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
        for line in _lines(config, ModelSpec.of(config.model, images), Path(dumps)):
            screen.line(line)
    return ExitCode.OK


def _lines(config: Config, model: ModelSpec, dumps: Path) -> list[str]:
    workers = default_workers_here()
    share = bind_process(0, workers, len(os.sched_getaffinity(0)) // workers)
    if (config.cluster.most if config.cluster.workers else workers) > 1:  # their programs name other devices than a single worker's
        os.environ["TF_CONFIG"] = _group_of_one()
    with quiet_stderr():  # TensorFlow's C++ prints as it is imported and started
        from cluster.worker.compile_training import GroupSettings, compile_passes
        from cluster.worker.strategy import set_threads
        from cyclegan.training.compile_cache import set_up_xla
        from cyclegan.training.hlo_report import describe, dump_options

        set_threads(len(share.compute))
        cache = compile_cache(config.cluster.compile_cache)
        set_up_xla(cache)
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {dump_options(dumps)}"
        group = GroupSettings(1, config.cluster.peer_timeout)
        compiled = compile_passes(model, config.train, sides_of(config.data.crop_size), group, cache)
        units = [describe(unit, compiled.state.variables(), dumps) for unit in compiled.passes.all()]
    head = f"as a worker with {len(share.compute)} cores compiles them; cache {cache}"
    return [head, *(line for report, unit in zip(compiled.reports, units, strict=True) for line in ("", *unit_lines(report, unit)))]


def _group_of_one() -> str:
    """TF_CONFIG of a single worker, on a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    return json.dumps({"cluster": {"worker": [address]}, "task": {"type": "worker", "index": 0}})


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
