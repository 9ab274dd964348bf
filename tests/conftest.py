"""What real runs of all rooms share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from preprocess.ray_start import start_ray


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of a file run in one process, for their fixtures; so do all that are compared with the `undisturbed` run."""
    for item in items:
        file = item.nodeid.split("::")[0]
        item.add_marker(pytest.mark.xdist_group("undisturbed" if item.path.name.startswith("test_training") else file))


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled programs of the small networks (`tests.cluster.launch.SMALL`): the first run compiles them, the others find them."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "programs"  # one for all processes of the tests
    folder.mkdir(exist_ok=True)
    return folder


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
