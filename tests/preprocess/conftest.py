"""One small Ray for the tests of a file."""

from collections.abc import Iterator

import pytest
import ray

from preprocess.ray_start import start_ray


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """Two CPUs on this machine, whatever clusters are around.

    The token stays in the environment: Ray keeps the first one of a process, so the next file's Ray must have the same.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", "local")
        assert not start_ray(num_cpus=2)
        yield
        ray.shutdown()
