"""The first import of TensorFlow in a process: with what TensorFlow reads from the environment meanwhile, and without Keras."""

import importlib
import os
import platform
import sys


def tensorflow_environment(log_level: int) -> dict[str, str]:
    """Variables to set before the import. log_level: the least severe that its C++ prints, from 0 (information) to 3 (fatal errors).

    With oneDNN, TensorFlow keeps the memory of XLA's temporaries from step to step; without, each step gets fresh pages, which the kernel
    has to clear. Left to itself, it takes oneDNN only on x86 processors with VNNI or AMX: Cascade Lake and Zen 4, not Skylake and Zen 3.
    """
    allocator = {"TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1")} if platform.machine() == "x86_64" else {}
    return {"TF_CPP_MIN_LOG_LEVEL": str(log_level), **allocator}


def import_tensorflow(log_level: int) -> None:
    """Import TensorFlow unless it is imported. log_level: see `tensorflow_environment`; it wins over the environment's.

    TensorFlow imports Keras with itself, a third of the time, and does without where there is none. So it finds none here; a later
    `import keras`, or a use of `tf.keras`, does.
    """
    os.environ |= tensorflow_environment(log_level)
    hidden = "keras" not in sys.modules
    if hidden:
        sys.modules["keras"] = None  # type: ignore[assignment]
    try:
        importlib.import_module("tensorflow")
    finally:
        if hidden:
            del sys.modules["keras"]
