"""The compile cache: what TensorFlow makes of its path."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ray_nodes import ROOT

COMPILE = """
import sys
from pathlib import Path
from cyclegan.training.compile_cache import set_up_xla
set_up_xla(Path(sys.argv[1]))
import tensorflow as tf
tf.function(lambda x: x @ x + 1, jit_compile=True)(tf.ones([8, 8]))
"""


@pytest.mark.parametrize("name", ["with a blank", "it's", 'a "quoted" \\ name'])
def test_programs_are_kept_whatever_the_folder_is_called(name: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    subprocess.run([sys.executable, "-c", COMPILE, str(tmp_path / name)], env=environment, check=True, capture_output=True)
    assert [path.suffix for path in (tmp_path / name).iterdir()] == [".pb"]
    assert [path.name for path in tmp_path.iterdir()] == [name]
