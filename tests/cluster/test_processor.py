from pathlib import Path

import pytest

from cluster.processor import check_bfloat16
from preprocess.errors import UserError
from tests.cluster.machines import machine, write


def test_bfloat16_is_refused_where_it_is_emulated(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        check_bfloat16("model.precision", machine("xeon-gold-6128", tmp_path))
    assert str(caught.value) == (
        "model.precision = bfloat16, but this processor (Intel(R) Xeon(R) Gold 6128 CPU @ 3.40GHz) has neither avx512_bf16 nor amx_bf16 "
        "and would emulate it, slower than float32: use float32"
    )


def test_bfloat16_is_allowed_where_it_is_in_hardware(tmp_path: Path) -> None:
    check_bfloat16("model.precision", machine("epyc-9004-guest-cgroup-of-1", tmp_path / "amd"))
    write(tmp_path / "intel/proc/cpuinfo", "flags\t\t: fpu avx512f amx_bf16 amx_tile")
    check_bfloat16("model.precision", tmp_path / "intel")
    write(tmp_path / "arm/proc/cpuinfo", "Features\t: fp asimd bf16")
    check_bfloat16("model.precision", tmp_path / "arm")
