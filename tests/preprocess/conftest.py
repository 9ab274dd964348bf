"""One small Ray for the tests of a file."""

import os
from collections.abc import Iterator

import pytest
import ray

from preprocess.ray_start import start_ray


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """Two CPUs on this machine, whatever clusters are around; the environment is as before afterwards."""
    before = dict(os.environ)
    os.environ["RAY_ADDRESS"] = "local"
    assert not start_ray(num_cpus=2)
    try:
        yield
    finally:
        ray.shutdown()
        os.environ.clear()
        os.environ.update(before)
