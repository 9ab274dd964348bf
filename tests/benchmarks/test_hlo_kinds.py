"""Kinds of operations by their names, and of all operations of a real step."""

import pytest

from benchmarks.hlo_kinds import (
    DISCRIMINATORS,
    ENDS,
    FORWARD,
    GATHERS,
    INPUT,
    KERNEL,
    NORMS,
    OTHER,
    PLAIN,
    TRANSFORMS,
    kind_of,
)


@pytest.mark.parametrize(
    ("name", "type", "kind"),
    [
        ("R256.3/product/MatMul", "BatchMatMulV2", FORWARD),
        ("R256.3_1/product_17/MatMul_80", "BatchMatMulV2", FORWARD),
        ("gradient_tape/R256.3_1/product_1/MatMul_80/MatMul", "BatchMatMulV2", INPUT),
        ("gradient_tape/R256.3_1/product_1/MatMul_80/MatMul_1", "BatchMatMulV2", KERNEL),
        ("gradient_tape/d128/transform_4/matmul_8/MatMul_1", "MatMul", TRANSFORMS),
        ("u64_2/norm/Maximum", "Maximum", NORMS),
        ("c7s1-64_2/norm/Maximum", "Maximum", ENDS),
        ("gradient_tape/discriminator_1/C512/product/MatMul/MatMul_1", "BatchMatMulV2", DISCRIMINATORS),
        ("GatherV2", "GatherV2", GATHERS),
        ("R256.0/StatelessIf_3", "StatelessIf", GATHERS),
        ("gradient_tape/R32.0/Conv2DBackpropInput", "Conv2DBackpropInput", PLAIN),
        ("Abs_2", "Abs", OTHER),
    ],
)
def test_kind_by_name(name: str, type: str, kind: str) -> None:
    assert kind_of(name, type) == kind
