import os
import platform
import subprocess
import sys

import pytest

from cyclegan.import_tensorflow import tensorflow_environment
from tests.ray_nodes import ROOT

FAULTS = """
import resource
from cyclegan.import_tensorflow import import_tensorflow
import_tensorflow(3)
import tensorflow as tf
from cyclegan.ops.fusion_barrier import fusion_barrier

@tf.function(jit_compile=True)
def program(x):
    return tf.linalg.matvec(fusion_barrier(tf.linalg.matrix_transpose, x), x[0])

x = tf.ones((4096, 4096))
counts = []
for _ in range(6):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    program(x).numpy()
    counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(*counts)
"""


IMPORT = """
import os, sys
from cyclegan.import_tensorflow import import_tensorflow
import_tensorflow(3)
assert "tensorflow" in sys.modules and "keras" not in sys.modules
import tensorflow as tf
print(os.environ["TF_CPP_MIN_LOG_LEVEL"], tf.keras.Input([1]).shape)
"""


def test_the_users_choice_of_onednn_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert tensorflow_environment(2) == {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "1"}
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert tensorflow_environment(0) == {"TF_CPP_MIN_LOG_LEVEL": "0", "TF_ENABLE_ONEDNN_OPTS": "0"}
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert tensorflow_environment(3) == {"TF_CPP_MIN_LOG_LEVEL": "3"}


def test_the_import_leaves_keras_to_whoever_uses_it() -> None:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "1", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run([sys.executable, "-c", IMPORT], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(maxsplit=1) == ["3", "(None, 1)\n"]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="on other processors TensorFlow decides")
def test_temporaries_of_a_program_keep_their_pages() -> None:
    """Its 64 MiB and more are 16,384 pages of 4 KiB, which would be fresh in each call."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    command = [sys.executable, "-c", FAULTS]
    done = subprocess.run(command, cwd=ROOT, env={**environment, "CUDA_VISIBLE_DEVICES": "-1"}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert min(map(int, done.stdout.split())) < 1000, done.stdout
