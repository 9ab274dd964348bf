"""Whether processors multiply bfloat16 in hardware. Where they do not, libraries emulate it, slower than float32."""

import platform
from pathlib import Path

import ray

from cluster.hardware.capacity import ask_nodes, usable_nodes
from ringcycle.errors import UserError

CPUINFO = Path("/proc/cpuinfo")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # the last one on ARM


def has_bfloat16(cpuinfo: str) -> bool:
    """Whether the flags in the text of /proc/cpuinfo include bfloat16 arithmetic."""
    flags = [line.partition(":")[2].split() for line in cpuinfo.splitlines() if line.startswith(("flags", "Features"))]
    return any(BFLOAT16_FLAGS.intersection(line) for line in flags)


def processor_name(cpuinfo: str) -> str:
    """The model named in the text of /proc/cpuinfo; on architectures that name none, the architecture."""
    names = [line.partition(":")[2] for line in cpuinfo.splitlines() if line.startswith("model name")]
    return " ".join(names[0].split()) if names else platform.machine()


def check_precision(precision: str, gpu: bool) -> None:
    """Raise UserError if `model.precision` is bfloat16 and workers compute on GPUs, or a node of the cluster only emulates it."""
    if precision != "bfloat16":
        return
    if gpu:
        fact = "model.precision = bfloat16 is for processors, but workers compute on GPUs"
        raise UserError(f"{fact}: use float32, or set cluster.device = cpu")
    for node, native in ask_nodes(_has_bfloat16, usable_nodes()):
        if not native:
            raise UserError(emulated(f"the processor of node {node['NodeManagerAddress']}"))


def emulated(processor: str) -> str:
    """The error text for bfloat16 on a processor that lacks it."""
    return f"model.precision = bfloat16, but {processor} can only emulate bfloat16, slower than float32: use float32"


@ray.remote(num_cpus=0)
def _has_bfloat16() -> bool:
    return has_bfloat16(CPUINFO.read_text())
