"""Compiling the units of a worker: one process of a node at a time, so that the others find the program in the cache."""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from filelock import FileLock

from cyclegan.training.compiled_function import CompiledFunction, CompileReport


def set_up_xla(cache: Path) -> None:
    """Let XLA keep compiled programs in `cache`, and have graphs as they are traced; must come before the first of them."""
    cache.mkdir(parents=True, exist_ok=True)
    # XLA optimises for itself: what TensorFlow does before costs a second of every start.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    os.environ["TF_XLA_FLAGS"] = f"{os.environ.get('TF_XLA_FLAGS', '')} --tf_xla_persistent_cache_directory={cache}".strip()


def compile_units(units: Sequence[CompiledFunction], cache: Path) -> list[CompileReport]:
    """Compile all, or take them from the cache; tracing, the larger part of a warm start, is done beside the other processes.

    The cache's keys count what was traced before: every process must come here with the same history of TensorFlow operations.
    """
    for unit in units:
        unit.trace()
    reports = [_alone(unit, cache) for unit in units]
    give_back_memory()
    return reports


def give_back_memory() -> None:
    """Return to the system what compiling has freed, a gigabyte at 256×256, which the C library would keep for itself. Only glibc can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def _alone(unit: CompiledFunction, cache: Path) -> CompileReport:
    with FileLock(cache / "compile.lock"):
        return unit.compile(cache)


def summarise(reports: Sequence[CompileReport]) -> tuple[int, int, float]:
    """Programs, how many of them the cache had, and seconds in all."""
    return len(reports), sum(bool(report.hit) for report in reports), sum(report.seconds for report in reports)
