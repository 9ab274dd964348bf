"""Whether processors multiply in bfloat16 themselves. Where they do not, libraries emulate it, slower than float32."""

from pathlib import Path

import ray

from cluster.config import Config
from cluster.hardware.ask_nodes import ask_nodes
from cluster.hardware.capacity import usable_nodes
from ringcycle.errors import UserError

CPUINFO = Path("/proc/cpuinfo")
NATIVE = {"avx512_bf16", "amx_bf16", "bf16"}  # the last one on ARM


def has_bfloat16(cpuinfo: str) -> bool:
    """By the flags in the text of /proc/cpuinfo."""
    return any(
        NATIVE.intersection(line.partition(":")[2].split()) for line in cpuinfo.splitlines() if line.startswith(("flags", "Features"))
    )


def check_precision(config: Config, gpu: bool) -> None:
    """Raises UserError if `model.precision` is bfloat16 where workers compute on GPUs, or where a node of the cluster only emulates it."""
    if config.model.precision != "bfloat16":
        return
    if gpu:
        fact = "model.precision = bfloat16 is for processors, but workers compute on GPUs"
        raise UserError(f"{fact}: use float32, or set cluster.device = cpu")
    for node, native in ask_nodes(_has_bfloat16, usable_nodes()):
        if not native:
            raise UserError(emulated(f"the processor of node {node['NodeManagerAddress']}"))


def emulated(processor: str) -> str:
    """What is wrong with bfloat16 on a processor without it, and what would be right."""
    return f"model.precision = bfloat16, but {processor} has no bfloat16 and would emulate it, slower than float32: use float32"


@ray.remote(num_cpus=0)
def _has_bfloat16() -> bool:
    return has_bfloat16(CPUINFO.read_text())
