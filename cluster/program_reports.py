"""The compiled units of a training as a worker on this machine compiles them, and what XLA says of each."""

import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.config import Config
from cluster.hardware.affinity import bind_process
from cluster.hardware.default_workers import default_workers_here
from cyclegan.config import ModelSpec
from preprocess.images.size import sides_of
from ringcycle.stderr import quiet_stderr
from ringcycle.user_cache import compile_cache

if TYPE_CHECKING:
    from cyclegan.training.compiled_function import CompileReport
    from cyclegan.training.hlo_report import HloReport


@dataclass(frozen=True)
class ProgramReports:
    """cores: of the worker. cache: folder of compiled programs. reports, units: of each unit, in order. state: bytes of all variables."""

    cores: int
    cache: Path
    reports: list["CompileReport"]
    units: list["HloReport"]
    state: int

    @property
    def passes(self) -> int:
        """Bytes that the units take beside the variables; TensorFlow's allocator keeps what each has had."""
        return sum(unit.memory.temporary + unit.memory.results + unit.memory.constants for unit in self.units)


def program_reports(config: Config, model: ModelSpec, dumps: Path) -> ProgramReports:
    """Compile the units, or take them from the cache. dumps: an empty folder for XLA. Binds this process to a worker's cores."""
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
        variables = compiled.state.variables()
        units = [describe(unit, variables, dumps) for unit in compiled.passes.all()]
        state = sum(int(variable.dtype.size) * int(variable.shape.num_elements()) for variable in variables.values())
    return ProgramReports(len(share.compute), cache, compiled.reports, units, state)


def _group_of_one() -> str:
    """TF_CONFIG of a single worker, on a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    return json.dumps({"cluster": {"worker": [address]}, "task": {"type": "worker", "index": 0}})
