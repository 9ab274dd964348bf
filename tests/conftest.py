"""What real runs of all rooms share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled programs of the small networks (`tests.cluster.launch.SMALL`): the first run compiles them, the others find them."""
    return tmp_path_factory.mktemp("programs")
