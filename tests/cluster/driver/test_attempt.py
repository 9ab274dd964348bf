"""The cause of a worker's death, found in its standard error."""

import pytest

from cluster.driver.attempt import MAX_LINE, fatal_line

TENSORFLOW = """:actor_name:RayTrainWorker
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
E0000 00:00:1795663872.757061   16024 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: out of memory
INFO:tensorflow:Using MirroredStrategy with devices ('/device:CPU:0',)
"""
FLAG = "F0000 00:00:1795663881.447241   16032 parse_flags_from_env.cc:234] Unknown flag in XLA_FLAGS: --xla_no_such_flag=1"


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("", ""),
        (TENSORFLOW, ""),
        (TENSORFLOW + FLAG + "\n", FLAG),
        (
            TENSORFLOW + "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
            "what():  std::bad_alloc",
        ),
        ("Traceback (most recent call last):\nValueError: \x1b[2Jbad\n", "ValueError: \\x1b[2Jbad"),
        ("F0000 " + "x" * 1000, ("F0000 " + "x" * 1000)[:MAX_LINE]),
    ],
)
def test_the_fatal_line_is_found(output: str, line: str) -> None:
    assert fatal_line(output) == line
