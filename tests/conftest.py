"""What real runs of all rooms share."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from ringcycle.logs import PACKAGES
from ringcycle.ray_start import start_ray


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    """A command that a test runs in this process sends its lines elsewhere: undone for the next test."""
    yield
    for package in PACKAGES:
        logger = logging.getLogger(package)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.NOTSET)


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
