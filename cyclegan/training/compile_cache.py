"""XLA's persistent cache of compiled programs: one process of a node compiles at a time, so that the others find the program there."""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from cyclegan.training.compiled_function import CompiledFunction, CompileReport
from ringcycle.storage.locks import locked


def set_up_xla(cache: Path) -> None:
    """Have XLA keep compiled programs in `cache`, and graphs stay as traced. Must come before TensorFlow traces its first function."""
    cache.mkdir(parents=True, exist_ok=True)
    # XLA optimises by itself: TensorFlow's own pass before it would cost every start one second.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    os.environ["TF_XLA_FLAGS"] = f"{os.environ.get('TF_XLA_FLAGS', '')} --tf_xla_persistent_cache_directory={_quoted(cache)}".strip()


def _quoted(path: Path) -> str:
    """A path as TensorFlow reads flags from the environment: in quotes, if a blank would end it (xla/parse_flags_from_env.cc)."""
    text = str(path)
    if not any(character.isspace() or character in "'\"\\" for character in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def compile_units(units: Sequence[CompiledFunction], cache: Path) -> list[CompileReport]:
    """Compile `units`, or take them from `cache`; returns a report for each. Processes trace, the larger part of a warm start, in parallel.

    The cache's keys count what was traced before: every process must come here with the same history of TensorFlow operations.
    """
    for unit in units:
        unit.trace()
    reports = [_compile_alone(unit, cache) for unit in units]
    give_back_memory()
    return reports


def give_back_memory() -> None:
    """Return to the system the memory that compiling has freed, a gigabyte at 256×256, which glibc would otherwise keep."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def _compile_alone(unit: CompiledFunction, cache: Path) -> CompileReport:
    with locked(cache / "compile.lock", report=False):
        return unit.compile(cache)
