"""What TensorFlow reads from the environment of its process while it is imported. Imports no TensorFlow."""

import os


def tensorflow_environment(log_level: int) -> dict[str, str]:
    """Variables to set before the import. log_level: the least severe that its C++ prints, from 0 (information) to 3 (fatal errors).

    With oneDNN, TensorFlow keeps the memory of XLA's temporaries from step to step; without, each step gets, and clears, fresh pages.
    Left to itself it takes oneDNN only on processors with VNNI or AMX: Cascade Lake and Zen 4, not Skylake and Zen 3.
    """
    return {"TF_CPP_MIN_LOG_LEVEL": str(log_level), "TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1")}
