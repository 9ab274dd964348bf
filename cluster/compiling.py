"""Compiling the units of a worker: one process of a node at a time, so that the others find the programs in the cache."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from cyclegan.programs import CompileReport, Program


def use_cache(folder: Path) -> None:
    """Let XLA keep compiled programs in `folder`; must come before the first of them."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["TF_XLA_FLAGS"] = f"{os.environ.get('TF_XLA_FLAGS', '')} --tf_xla_persistent_cache_directory={folder}".strip()


def compile_units(units: Sequence[Program], cache: Path, key: str) -> list[CompileReport]:
    """Compile all, or take them from the cache.

    The cache's keys count what was traced before: every process must come here with the same history of TensorFlow operations.
    key: what decides the programs. Once they were compiled, processes no longer come one at a time: what is left is tracing.
    """
    compiled = cache / f"compiled-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    if compiled.exists():
        return [unit.compile(cache) for unit in units]
    with FileLock(cache / "compile.lock"):
        reports = [unit.compile(cache) for unit in units]
        compiled.touch(exist_ok=True)
    return reports


def summarise(reports: Sequence[CompileReport]) -> tuple[int, int, float]:
    """Programs, how many of them the cache had, and seconds in all."""
    return len(reports), sum(bool(report.hit) for report in reports), sum(report.seconds for report in reports)
