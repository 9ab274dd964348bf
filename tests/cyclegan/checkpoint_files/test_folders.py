"""Folders of checkpoints: which are listed, which of two checkpoints of a step counts, and what is deleted as left over."""

import shutil
from pathlib import Path

import pytest

from cyclegan.checkpoint_files.folders import checkpoints, delete, drop_leftovers, find_newest, verify
from cyclegan.checkpoint_files.names import ASIDE, INDEX, step_folder
from cyclegan.checkpoint_files.parts import write_part
from tests.cyclegan.checkpoint_files.saved import arrays, names, save
from tests.cyclegan.made_checkpoint import damage


def test_checkpoints_are_listed_oldest_first_and_partial_ones_never(tmp_path: Path) -> None:
    assert checkpoints(tmp_path) == []
    folders = [save(tmp_path, step) for step in (100, 9, 20, 123_456_789)]
    write_part(step_folder(tmp_path, 300), 0, "x", arrays(0))
    (tmp_path / "step-00000350.copy").mkdir()
    (tmp_path / "step-00000350.copy" / INDEX).write_text((folders[0] / INDEX).read_text())
    (tmp_path / "step-00000400").mkdir()
    assert checkpoints(tmp_path) == [step_folder(tmp_path, step) for step in (9, 20, 100, 123_456_789)]


def test_a_damaged_checkpoint_of_the_same_step_gives_way(tmp_path: Path) -> None:
    damaged = save(tmp_path, 5)
    (damaged / "part-00001-x.npz").unlink()
    (damaged / "litter").write_text("")
    verify(save(tmp_path, 5))
    assert not (damaged / "litter").exists()


def test_a_checkpoint_of_the_same_step_is_there_until_the_new_one_is(tmp_path: Path) -> None:
    folder = save(tmp_path, 5)
    write_part(folder, 0, "y", arrays(0))
    assert [part.file for part in verify(folder).parts] == ["part-00000-x.npz", "part-00001-x.npz"]
    assert save(tmp_path, 5, token="y") == folder
    verify(folder)
    assert names(folder) == [INDEX, "part-00000-y.npz", "part-00001-y.npz"]


def test_leftovers_are_what_no_index_names(tmp_path: Path) -> None:
    folder = save(tmp_path, 5)
    (folder / INDEX).rename(folder / ASIDE)
    save(tmp_path, 5, token="y")
    write_part(folder, 0, "z", arrays(0))
    drop_leftovers(folder)
    assert verify(folder, ASIDE).parts != verify(folder).parts
    assert len(names(folder)) == 6
    (folder / ASIDE).write_text("damaged")
    (folder / "litter").write_text("")
    drop_leftovers(folder)
    assert len(names(folder)) == 7, "it is unknown what a damaged index names"
    write_part(tmp_path / "step-00000009", 0, "x", arrays(0))
    drop_leftovers(tmp_path / "step-00000009")
    delete(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_renamed_copy_can_be_read(tmp_path: Path) -> None:
    assert verify(shutil.copytree(save(tmp_path, 5), tmp_path / "the-best")).step == 5


def test_damaged_checkpoints_are_reported_and_the_one_before_is_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    good, damaged = save(tmp_path, 10), save(tmp_path, 20)
    damage(damaged)
    assert find_newest(tmp_path, quiet=True) == good
    assert caplog.messages == []
    assert find_newest(tmp_path) == good
    assert len(caplog.messages) == 1
    assert "part-00000-x.npz: its checksum differs" in caplog.text
