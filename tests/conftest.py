"""What real runs of all rooms share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from ringcycle.ray_start import start_ray


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled programs of the small networks (`tests.cluster.launch.SMALL`): the first run compiles them, the others find them."""
    return tmp_path_factory.mktemp("programs")


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
