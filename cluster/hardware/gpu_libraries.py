"""Whether TensorFlow has the libraries that it needs to use a GPU. Imports no TensorFlow itself."""

import os
import subprocess
import sys

CURE = 'install "tensorflow[and-cuda]", or the GPU image, on all nodes'
_SECONDS = 60.0
_COUNT = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"


def gpus_of_tensorflow() -> int:
    """How many GPUs of this node TensorFlow can use, by a process of its own, which takes seconds. Raises SubprocessError."""
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}  # Ray hides GPUs not asked for
    environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
    done = subprocess.run([sys.executable, "-c", _COUNT], env=environment, capture_output=True, text=True, timeout=_SECONDS, check=True)
    return int(done.stdout)
