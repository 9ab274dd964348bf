import platform

import pytest

from cluster.hardware.cpu_features import check_precision, emulated, has_bfloat16, processor_name
from ringcycle.errors import UserError

# Excerpts of /proc/cpuinfo; the other lines do not matter here.
GOLD_6128 = "model name\t: Intel(R) Xeon(R) Gold 6128 CPU @ 3.40GHz\nflags\t\t: fpu avx2 avx512f avx512dq avx512cd avx512bw avx512vl\n"
EPYC_9354 = "model name\t: AMD EPYC 9354\nflags\t\t: fpu avx2 avx512f avx512_bf16 avx512_vnni\n"
GRAVITON_3 = "processor\t: 0\nFeatures\t: fp asimd sve i8mm bf16\n"


@pytest.mark.parametrize(("cpuinfo", "native"), [(GOLD_6128, False), (EPYC_9354, True), (GRAVITON_3, True), ("", False)])
def test_bfloat16_is_known_by_the_flags(cpuinfo: str, native: bool) -> None:
    assert has_bfloat16(cpuinfo) is native


def test_a_processor_is_named_as_the_system_does() -> None:
    assert processor_name(GOLD_6128) == "Intel(R) Xeon(R) Gold 6128 CPU @ 3.40GHz"
    assert processor_name(GRAVITON_3) == platform.machine()


def test_the_error_names_the_setting_the_processor_and_the_cure() -> None:
    message = emulated("the processor of node 10.0.0.2")
    assert all(part in message for part in ("model.precision = bfloat16", "node 10.0.0.2", "use float32"))


def test_bfloat16_is_refused_on_gpus() -> None:
    with pytest.raises(UserError, match=r"for processors, but workers compute on GPUs: use float32, or set cluster\.device = cpu"):
        check_precision("bfloat16", gpu=True)
    check_precision("float32", gpu=True)
