"""The compile cache: what TensorFlow makes of its path, and what is deleted."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cyclegan.training.compile_cache import prune
from tests.ray_nodes import ROOT

COMPILE = """
import sys
from pathlib import Path
from cyclegan.training.compile_cache import set_up_xla
set_up_xla(Path(sys.argv[1]))
import tensorflow as tf
tf.function(lambda x: x @ x + 1, jit_compile=True)(tf.ones([8, 8]))
"""

COMPILE_UNITS = """
import sys
from pathlib import Path
from cyclegan.training.compile_cache import compile_units, set_up_xla
set_up_xla(Path(sys.argv[1]))
import tensorflow as tf
from cyclegan.training.compiled_function import CompiledFunction
reports = compile_units([CompiledFunction(lambda x: x @ x + 1, [tf.TensorSpec([8, 8])])], Path(sys.argv[1]))
assert [report.hit for report in reports] == [False]
"""


@pytest.mark.parametrize("name", ["with a blank", "it's", 'a "quoted" \\ name'])
def test_programs_are_kept_whatever_the_folder_is_called(name: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    subprocess.run([sys.executable, "-c", COMPILE, str(tmp_path / name)], env=environment, check=True, capture_output=True)
    assert [path.suffix for path in (tmp_path / name).iterdir()] == [".pb"]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def program(folder: Path, number: int, days: float, size: int = 100) -> Path:
    """A file as XLA writes it, last read so many days ago."""
    folder.mkdir(exist_ok=True)
    path = folder / f"xla_compile_cache__{number}__1__XLA_CPU_JIT.pb"
    path.write_bytes(bytes(size))
    read = time.time() - days * 86400
    os.utime(path, (read, read - 86400))
    return path


def test_programs_that_nothing_reads_are_deleted(tmp_path: Path) -> None:
    cache, other = tmp_path / "tensorflow-2.21.0-x86_64-1", tmp_path / "tensorflow-2.20.0-x86_64-2"
    unused, used = program(cache, 1, days=61), program(cache, 2, days=59)
    of_another_processor, lock = program(other, 1, days=61), cache / "compile.lock"
    lock.touch()
    os.utime(lock, (0, 0))
    prune(cache)
    assert [path.exists() for path in (unused, used, of_another_processor, lock)] == [False, True, False, True]


def test_the_longest_unread_programs_give_way(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    programs = [program(cache, number, days=number) for number in (3, 1, 2, 4)]
    prune(cache, most=250)
    assert [path.exists() for path in programs] == [False, True, True, False]


@pytest.mark.process
def test_whoever_compiles_prunes(tmp_path: Path) -> None:
    unused = program(tmp_path / "cache", 1, days=100)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    subprocess.run([sys.executable, "-c", COMPILE_UNITS, str(tmp_path / "cache")], env=environment, check=True, capture_output=True)
    assert not unused.exists() and len(list((tmp_path / "cache").glob("*.pb"))) == 1
