"""What real runs of all rooms share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled programs of the small networks (`tests.cluster.launch.SMALL`): the first run compiles them, the others find them."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "programs"  # one for all processes of the tests
    folder.mkdir(exist_ok=True)
    return folder
