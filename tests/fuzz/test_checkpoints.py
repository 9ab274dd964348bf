"""Damaged checkpoints: the one before is used, or nothing; never other numbers than were saved."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.checkpoint import main
from cluster.checkpointing.resume import check_any_valid
from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.folders import find_newest, verify
from cyclegan.checkpoint_files.index import read_index
from cyclegan.checkpoint_files.parts import read_arrays
from cyclegan.inference.generator_checkpoint import read_generators
from ringcycle.errors import UserError
from ringcycle.logs import send_lines
from tests.cyclegan.checkpoint_files.test_arrays import forge
from tests.cyclegan.made_checkpoint import weights, write_checkpoint
from tests.fuzz.damage import FUZZ, Damage, damages, one_line

STEPS = (10, 20)


class Run:
    """A run of two checkpoints whose files can be changed and are restored."""

    def __init__(self, run: Path) -> None:
        self.run, self.root = run, run / "checkpoints"
        for step in STEPS:
            write_checkpoint(run, step)
        self.files = {path: path.read_bytes() for path in sorted(self.root.glob("*/*"))}
        self.paths = list(self.files)

    def restore(self) -> None:
        for path, data in self.files.items():
            path.write_bytes(data)

    def check(self) -> None:
        """The newest valid one gives what was saved; others are reported in one line each, as in the command's verdict."""
        reported: list[str] = []
        send_lines(reported.append)
        newest = find_newest(self.root)
        assert not any("\n" in line for line in reported)
        changed = {path.parent for path, data in self.files.items() if path.read_bytes() != data}
        if newest is None:
            assert changed == {path.parent for path in self.files}
            with pytest.raises(UserError) as error:
                check_any_valid(self.root, None, "run")
            assert "\n" not in str(error.value)
        else:
            trained = read_generators(self.run)
            assert (trained.folder, trained.step) == (str(newest), read_index(newest).step)
            np.testing.assert_array_equal(trained.weights, weights(trained.step))
        assert main(["list", str(self.run)]) == int(newest is None or newest.name != "step-00000020")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("run"))


@FUZZ
@given(which=st.integers(0, 5), damage=damages())
def test_damaged_files(which: int, damage: Damage, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    path = run.paths[which]
    path.write_bytes(damage(run.files[path]))
    try:
        run.check()
    finally:
        run.restore()
    capsys.readouterr()


@FUZZ
@given(order=st.permutations(range(6)))
def test_swapped_files(order: list[int], run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for path, other in zip(run.paths, order, strict=True):
        path.write_bytes(run.files[run.paths[other]])
    try:
        run.check()
    finally:
        run.restore()
    capsys.readouterr()


@FUZZ
@given(damage=damages())
def test_parts_damaged_on_purpose(damage: Damage, tmp_path_factory: pytest.TempPathFactory) -> None:
    """With checksums that match, a part either is refused in one line, or has arrays of the right types and shapes."""
    folder = write_checkpoint(tmp_path_factory.mktemp("forged"))
    forge(folder, damage((folder / "part-00000-x.npz").read_bytes()))
    try:
        arrays = read_arrays(folder, verify(folder).parts[0])
    except DamagedCheckpoint as error:
        one_line(error)
    else:
        assert arrays.get("generators.weights", weights()).shape == weights().shape
