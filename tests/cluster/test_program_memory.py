"""The memory of programs is predicted by compiling them, once."""

import subprocess
import sys
from pathlib import Path

import pytest

from cluster.config import Config
from cluster.load_config import load_config
from cluster.program_memory import ProgramMemory, recall_memory
from cyclegan.config import ImageFormat
from tests.cluster.launch import TINY, options
from tests.ray_nodes import ROOT, clean_environment

PREDICT = """
import sys
from pathlib import Path
from cluster.load_config import load_config
from cluster.program_memory import predict_memory
from cyclegan.config import ImageFormat
print(predict_memory(load_config(sys.argv[2:], {}), ImageFormat(), Path(sys.argv[1])).model_dump_json())
"""


def configured(**changes: object) -> Config:
    return load_config(options({**TINY, "cluster.workers": 1, **{name.replace("__", "."): value for name, value in changes.items()}}), {})


@pytest.mark.process
def test_a_prediction_is_remembered_for_what_needs_the_same_programs(tmp_path: Path) -> None:
    """In a process of its own, as it binds threads and sets XLA's flags."""
    remembered = tmp_path / "memory"
    arguments = options({**TINY, "cluster.workers": 1, "cluster.compile_cache": tmp_path / "programs"})
    command = [sys.executable, "-c", PREDICT, str(remembered), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = ProgramMemory.model_validate_json(done.stdout)
    assert found.passes > found.state > 0
    for same in ({}, {"train__steps": 5}, {"train__seed": 3}, {"run__name": "other"}):
        assert recall_memory(configured(**same), ImageFormat(), remembered) == found
    for other in ({"model__filters": 8}, {"data__crop_size": 24}, {"train__batch": 2}, {"cluster__workers": 2}):
        assert recall_memory(configured(**other), ImageFormat(), remembered) is None
    assert recall_memory(configured(), ImageFormat(bits=16), remembered) is None
    (file,) = remembered.iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    assert recall_memory(configured(), ImageFormat(), remembered) is None, "damaged"
