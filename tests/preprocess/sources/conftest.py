"""An object store and an empty source, for the tests of sources."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.preprocess.object_store import ObjectStore, object_store


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStore]:
    with object_store() as running:
        yield running


@pytest.fixture(params=["folder", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path, server: ObjectStore) -> str:
    """An empty location to fill, on a disk and in a bucket."""
    return str(tmp_path) if request.param == "folder" else server.uri(f"of/{tmp_path.name}")
