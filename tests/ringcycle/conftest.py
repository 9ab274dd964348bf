"""What tests of starting and joining Ray share."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ray_nodes import ROOT


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """A separate home and Ray folder, isolated from other clusters. The path is short: socket paths have at most 107 characters."""
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as folder:
        (Path(folder) / "home").mkdir()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        Path(folder).chmod(0o755)  # for other users, too
        yield {**clean, "HOME": f"{folder}/home", "RAY_TMPDIR": folder, "PYTHONPATH": str(ROOT)}
