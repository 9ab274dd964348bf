"""What TensorFlow reads from the environment of its process while it is imported. Imports no TensorFlow."""

import os
import platform


def tensorflow_environment(log_level: int) -> dict[str, str]:
    """Variables to set before the import. log_level: the least severe that its C++ prints, from 0 (information) to 3 (fatal errors).

    With oneDNN, TensorFlow keeps the memory of XLA's temporaries from step to step; without, each step gets fresh pages, which the kernel
    has to clear. Left to itself, it takes oneDNN only on x86 processors with VNNI or AMX: Cascade Lake and Zen 4, not Skylake and Zen 3.
    """
    allocator = {"TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1")} if platform.machine() == "x86_64" else {}
    return {"TF_CPP_MIN_LOG_LEVEL": str(log_level), **allocator}
