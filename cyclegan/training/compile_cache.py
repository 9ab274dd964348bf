"""XLA's persistent cache of compiled programs: one process of a node compiles at a time, so that the others find the program there.

It does not grow without bound: whoever adds a program deletes what has not been used for long.
"""

import ctypes
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

import tensorflow as tf

from cyclegan.training.compiled_function import CompiledFunction, CompileReport
from ringcycle.storage.locks import locked

PROGRAMS = "xla_compile_cache__*.pb"
MOST_BYTES = 2 * 2**30  # one to two thousand programs
UNUSED_DAYS = 60


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


def compile_units(
    units: Sequence[CompiledFunction], cache: Path, with_all_cores: Callable[[], AbstractContextManager[None]] = nullcontext
) -> list[CompileReport]:
    """Compile `units`, or take them from `cache`; returns a report for each. Processes trace, the larger part of a warm start, in parallel.

    with_all_cores: entered while this process compiles and the node's others, which need the same programs, wait.
    The cache's keys count what was traced before: every process must come here with the same history of TensorFlow operations.
    """
    for unit in units:
        unit.trace()
    reports = [_compile(unit, cache, with_all_cores) for unit in units]
    give_back_memory()
    return reports


def give_back_memory() -> None:
    """Return to the system the memory that compiling has freed, a gigabyte at 256×256, which glibc would otherwise keep."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def prune(cache: Path, most: int = MOST_BYTES, days: float = UNUSED_DAYS) -> None:
    """Delete the programs beside and in `cache`, of any processor and version, that nothing has read for so many days; then those that have
    not been read for longest, until the others have at most so many bytes.

    Where a file system keeps no times of access, it counts from their compilation. A program that is still needed is compiled again.
    """
    found = [(max(status.st_atime, status.st_mtime), status.st_size, path) for path, status in _statuses(cache)]
    kept, oldest = 0, time.time() - days * 86400
    for used, size, path in sorted(found, reverse=True):
        if used < oldest or kept + size > most:
            with suppress(OSError):  # another process was faster, or another user's file
                path.unlink()
        else:
            kept += size


def _statuses(cache: Path) -> list[tuple[Path, os.stat_result]]:
    statuses = []
    for path in cache.parent.glob(f"*/{PROGRAMS}"):
        with suppress(OSError):
            statuses.append((path, path.stat()))
    return statuses


def _compile(unit: CompiledFunction, cache: Path, with_all_cores: Callable[[], AbstractContextManager[None]]) -> CompileReport:
    with locked(cache / "compile.lock", report=False), with_all_cores():
        report = unit.compile(cache)
        if not report.hit:
            prune(cache)
    return report
