"""Damaged manifests and shards give a one-line error, or exactly the same images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocess.feed.plan import WorkerShare
from preprocess.feed.reader import Reader
from preprocess.shards.manifest import NAME, Manifest
from ringcycle.errors import UserError
from tests.fuzz.damage import FUZZ, Damage, damages, one_line
from tests.preprocess.small_shards import PLAN, expected, make_shards


class Folder:
    """A folder of shards whose files can be damaged and restored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        self.shards = [name for name in self.files if name != NAME]

    def write(self, name: str, data: bytes) -> None:
        # A new file under the same name: truncating a mapped one would kill this process, as it kills a feed actor.
        (self.folder / name).unlink(missing_ok=True)
        (self.folder / name).write_bytes(data)

    def restore(self) -> None:
        for name, data in self.files.items():
            self.write(name, data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(make_shards(tmp_path_factory.mktemp("shards")))


def error_line(action: Callable[[], object]) -> str:
    """The one-line error that the user sees, or nothing."""
    try:
        action()
    except UserError as error:
        one_line(error)
        return str(error)
    return ""


@FUZZ
@given(damage=damages())
def test_damaged_manifests(damage: Damage, folder: Folder) -> None:
    intact = Manifest.load(folder.folder)
    folder.write(NAME, damage(folder.files[NAME]))
    try:
        if not error_line(lambda: Manifest.load(folder.folder)):
            assert Manifest.load(folder.folder) == intact
    finally:
        folder.restore()


def read_all(folder: Folder) -> None:
    share = WorkerShare(rank=0, workers=1, batch=2)
    reader = Reader(folder.folder, PLAN, share)
    for position in (0, 14):
        np.testing.assert_array_equal(reader.read(position, 1)[0], expected(position, share))


@FUZZ
@given(which=st.integers(0, 20), damage=damages())
def test_damaged_shards(which: int, damage: Damage, folder: Folder) -> None:
    name = folder.shards[which % len(folder.shards)]
    folder.write(name, damage(folder.files[name]))
    try:
        manifest = Manifest.load(folder.folder)
        found = error_line(lambda: manifest.verify(folder.folder))
        assert bool(found) == ((folder.folder / name).read_bytes() != folder.files[name])
        error_line(lambda: read_all(folder))
    finally:
        folder.restore()


@FUZZ
@given(order=st.permutations(range(6)))
def test_swapped_shards(order: list[int], folder: Folder) -> None:
    names = folder.shards[: len(order)]
    for name, other in zip(names, (names[i] for i in order if i < len(names)), strict=False):
        folder.write(name, folder.files[other])
    try:
        error_line(lambda: read_all(folder))
    finally:
        folder.restore()
