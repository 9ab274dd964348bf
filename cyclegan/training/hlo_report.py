"""What XLA made of a program, read from the optimised `HloProto` that it dumps for each compilation."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Literal

import tensorflow as tf
from tensorflow.compiler.xla import xla_data_pb2
from tensorflow.compiler.xla.service import hlo_pb2

from cyclegan.training.compiled_function import CompiledFunction

Use = Literal["argument", "variable read", "variable updated in place", "table", "folded"]

BOOKKEEPING = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast"}  # instructions that compute nothing


@dataclass(frozen=True)
class Input:
    """An input of a program.

    use: an argument of each call; a variable that is read, or updated in place; an index table (ops.lazy_gather); or a value folded into
    the code.
    """

    name: str
    shape: tuple[int, ...]
    dtype: tf.DType
    use: Use

    @property
    def type(self) -> str:
        """Type and shape, e.g. float32[2, 3]."""
        return f"{self.dtype.name}{list(self.shape)}"

    @property
    def bytes(self) -> int:
        """Size of its values in bytes."""
        return prod(self.shape) * int(self.dtype.size)


@dataclass(frozen=True)
class Memory:
    """Bytes, from XLA's buffer assignment. arguments: including variables. results: excluding what is updated in place."""

    arguments: int
    results: int
    temporary: int
    constants: int


@dataclass(frozen=True)
class HloReport:
    """A compiled program. operations: number by kind, each fusion counted as one. inside: number including those inside fusions."""

    inputs: tuple[Input, ...]
    results: tuple[str, ...]
    operations: Mapping[str, int]
    inside: int
    constants: int
    memory: Memory


def dump_options(folder: Path) -> str:
    """Options for XLA_FLAGS, to set before XLA's first compilation: XLA then writes the files that `describe` reads."""
    return f"--xla_dump_to={folder} --xla_dump_hlo_as_proto"


def describe(program: CompiledFunction, variables: Mapping[str, tf.Variable], dumps: Path) -> HloReport:
    """Report what XLA made of a traced `program`. variables: those that it may capture, by name. dumps: the folder given to `dump_options`.

    XLA dumps nothing for a program from the cache; such a program is compiled again.
    """
    pattern = f"*_{program.name}_[0-9]*.cpu_after_optimizations.hlo.pb"
    if not any(dumps.glob(pattern)):
        program.recompile()
    hlo = hlo_pb2.HloProto.FromString(max(dumps.glob(pattern)).read_bytes())
    module = hlo.hlo_module
    bodies = {c.id: [i for i in c.instructions if i.opcode not in BOOKKEEPING] for c in module.computations}
    entry = bodies[module.entry_computation_id]
    everything = [instruction for c in module.computations for instruction in c.instructions]
    return HloReport(
        inputs=_inputs(program, variables, module),
        results=tuple(_type(shape) for shape in _results(module)),
        operations=dict(Counter(instruction.opcode for instruction in entry).most_common()),
        inside=len(entry) + sum(len(bodies[called]) for i in entry if i.opcode == "fusion" for called in i.called_computation_ids),
        constants=sum(instruction.opcode == "constant" for instruction in everything),
        memory=_memory(hlo.buffer_assignment.buffer_allocations),
    )


def _inputs(program: CompiledFunction, variables: Mapping[str, tf.Variable], module: Any) -> tuple[Input, ...]:
    """Inputs in the program's order, which XLA keeps, except that it omits what it folds."""
    parameters = list(module.host_program_shape.parameters)
    updated = {entry.parameter_number for entry in module.input_output_alias.entries}
    result, number = [], 0
    for traced in _traced_inputs(program, variables):
        use = traced.use
        passed = number < len(parameters) and tuple(parameters[number].dimensions) == traced.shape
        if not passed:
            use = "folded"
        elif use == "variable read" and number in updated:
            use = "variable updated in place"
        result.append(replace(traced, use=use))
        number += passed
    return tuple(result)


def _traced_inputs(program: CompiledFunction, variables: Mapping[str, tf.Variable]) -> list[Input]:
    """Arguments, then captures, with their use as far as it is known from tracing."""
    result = [Input(spec.name, tuple(spec.shape), spec.dtype, "argument") for spec in program.signature]
    for captured in program.captures():
        if captured.dtype == tf.resource:
            name, variable = next((name, v) for name, v in variables.items() if v.handle is captured)
            result.append(Input(name, tuple(variable.shape), variable.dtype, "variable read"))
        else:
            result.append(Input("table", tuple(captured.shape), captured.dtype, "table"))
    return result


def _results(module: Any) -> Sequence[Any]:
    result = module.host_program_shape.result
    aliased = {entry.output_shape_index[0] for entry in module.input_output_alias.entries if entry.output_shape_index}
    shapes = result.tuple_shapes if result.element_type == xla_data_pb2.TUPLE else [result]
    return [shape for number, shape in enumerate(shapes) if number not in aliased]


def _type(shape: Any) -> str:
    return f"{xla_data_pb2.PrimitiveType.Name(shape.element_type).lower()}{list(shape.dimensions)}"


def _memory(allocations: Sequence[Any]) -> Memory:
    def total(chosen: Callable[[Any], bool]) -> int:
        return sum(a.size for a in allocations if chosen(a) and not a.is_thread_local)

    return Memory(
        arguments=total(lambda a: a.is_entry_computation_parameter),
        results=total(lambda a: a.maybe_live_out and not a.is_entry_computation_parameter),
        temporary=total(lambda a: not (a.is_entry_computation_parameter or a.is_constant or a.maybe_live_out)),
        constants=total(lambda a: a.is_constant),
    )
