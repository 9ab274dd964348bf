"""What the processor computes in hardware."""

from pathlib import Path

from preprocess.errors import UserError

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # the last is Arm's


def check_bfloat16(field: str, root: Path = Path("/")) -> None:
    """Raise UserError, naming `field`, on a processor that only emulates bfloat16, slower than float32.

    root: where /proc lies; a recorded tree in tests.
    """
    lines = dict(_pairs((root / "proc/cpuinfo").read_text()))
    flags = lines.get("flags", lines.get("Features", "")).split()
    if not BFLOAT16_FLAGS.intersection(flags):
        raise UserError(
            f"{field} = bfloat16, but this processor ({lines.get('model name', 'of unknown name')}) has neither avx512_bf16 nor amx_bf16 "
            "and would emulate it, slower than float32: use float32"
        )


def _pairs(cpuinfo: str) -> list[tuple[str, str]]:
    return [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in cpuinfo.splitlines())]
