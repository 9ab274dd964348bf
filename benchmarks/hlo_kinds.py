"""What each instruction of a compiled step is for, by the names that networks give to their operations."""

import re
from collections.abc import Mapping
from math import prod
from typing import Any

FORWARD, INPUT, KERNEL = "products, forward", "products, gradient of the input", "products, gradient of the kernel"
TRANSFORMS, GATHERS, NORMS, ENDS = "transforms of tiles and kernels", "gathers of pixels", "norms and activations", "ends at full size"
PLAIN, DISCRIMINATORS, UPDATE, OTHER = "TensorFlow's convolutions", "discriminators", "update", "losses, padding and the rest"
KINDS = (FORWARD, INPUT, KERNEL, TRANSFORMS, GATHERS, NORMS, ENDS, PLAIN, DISCRIMINATORS, UPDATE, OTHER)

# In this order: the first that matches the name of an operation, without its scopes' numbers, followed by its type.
PATTERNS = (
    (r"\bdiscriminator/", DISCRIMINATORS),
    (r"\bc7s1-[^/]*/", ENDS),
    (r"\bnorm/", NORMS),
    (r"\btransform/", TRANSFORMS),
    (r"\bgradient_tape/.*product/MatMul/MatMul_1\b", KERNEL),
    (r"\bgradient_tape/.*product/MatMul/MatMul\b", INPUT),
    (r"\bproduct/", FORWARD),
    (r" (GatherV2|SelectV2|Neg|AddN|IsFinite|StatelessIf)$", GATHERS),
    (r" Conv2D\w*$", PLAIN),
    (r"\w", OTHER),
)
CONTAINERS = ("conditional", "while", "call")
"""Instructions whose time is that of others."""


def kinds(module: Any) -> dict[str, str]:
    """The kind of each instruction that runs by itself, by its name. module: an optimised `HloModuleProto`.

    A fusion is of the kind of what it computes last. What has no name, as XLA made it, is of the kind of what uses it, or of what it uses.
    """
    for part, kind in (("_update_", UPDATE), ("_discriminator_pass_", DISCRIMINATORS)):
        if part in module.name:
            return {instruction.name: kind for computation in module.computations for instruction in computation.instructions}
    bodies = {computation.id: computation for computation in module.computations}
    fused = {i.called_computation_ids[0] for c in module.computations for i in c.instructions if i.opcode == "fusion"}
    result: dict[str, str] = {}
    for computation in module.computations:
        if computation.id not in fused:
            named = {i.id: _named(i, bodies) for i in computation.instructions}
            known = {number: kind for number, kind in named.items() if kind}
            _spread(known, {i.id: list(i.operand_ids) for i in computation.instructions})
            result |= {i.name: known.get(i.id, OTHER) for i in computation.instructions if i.opcode not in CONTAINERS}
    return result


def _named(instruction: Any, bodies: Mapping[int, Any]) -> str | None:
    inner = bodies[instruction.called_computation_ids[0]].instructions if instruction.opcode == "fusion" else []
    for one in (instruction, *reversed(inner)):
        if one.metadata.op_name:
            return kind_of(one.metadata.op_name, one.metadata.op_type)
    return None


def kind_of(name: str, type: str) -> str:
    """The kind of a TensorFlow operation by its name, with scopes, and type."""
    scoped = re.sub(r"_\d+(?=/)", "", name)  # scopes that repeat have numbers
    return next(kind for pattern, kind in PATTERNS if re.search(pattern, f"{scoped} {type}"))


def _spread(known: dict[int, str], operands: Mapping[int, list[int]]) -> None:
    """Give kinds to instructions that have none, from their users first."""
    users: dict[int, list[int]] = {}
    for number, used in operands.items():
        for one in used:
            users.setdefault(one, []).append(number)
    for neighbours in (users, operands):
        for number in (*reversed(list(operands)), *operands):  # users come later in the list
            found = [known[other] for other in neighbours.get(number, []) if other in known]
            if number not in known and found:
                known[number] = found[0]


def dot_operations(module: Any) -> dict[str, int]:
    """Floating-point operations of each matrix product, by its name."""
    result = {}
    for computation in module.computations:
        shapes = {i.id: list(i.shape.dimensions) for i in computation.instructions}
        for i in computation.instructions:
            if i.opcode == "dot":
                contracted = (shapes[i.operand_ids[0]][axis] for axis in i.dot_dimension_numbers.lhs_contracting_dimensions)
                result[i.name] = 2 * prod(i.shape.dimensions) * prod(contracted)
    return result
