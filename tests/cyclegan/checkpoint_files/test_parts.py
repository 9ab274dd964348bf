"""Parts come back bit for bit, from plain NumPy files, and count once every rank has its receipt."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.folders import verify
from cyclegan.checkpoint_files.index import read_index
from cyclegan.checkpoint_files.names import INDEX, step_folder
from cyclegan.checkpoint_files.parts import read_arrays, write_part, written_parts
from tests.cyclegan.checkpoint_files.saved import arrays, names, save


def test_all_arrays_and_the_index_come_back(tmp_path: Path) -> None:
    folder = save(tmp_path, 200)
    assert folder == step_folder(tmp_path, 200) == tmp_path / "step-00000200"
    assert names(folder) == [INDEX, "part-00000-x.npz", "part-00001-x.npz"]
    index = verify(folder)
    assert (index.step, index.position, index.workers, index.config) == (200, 400, 2, {"train": {"batch": 1}})
    for rank, part in enumerate(index.parts):
        found = read_arrays(folder, part)
        assert found.keys() == arrays(rank).keys()
        for name, value in arrays(rank).items():
            np.testing.assert_array_equal(found[name], value)
            assert found[name].dtype == value.dtype
    assert list(read_arrays(folder, index.parts[0], ("generators.updates",))) == ["generators.updates"]


def test_parts_are_plain_numpy_files_and_nothing_is_unpickled(tmp_path: Path) -> None:
    folder = save(tmp_path, 1)
    index = read_index(folder)
    for part in index.parts:
        with zipfile.ZipFile(folder / part.file) as file:
            for name in file.namelist():
                with file.open(name) as member:
                    assert np.lib.format.read_magic(member) in {(1, 0), (2, 0)}
                    assert not np.lib.format.read_array_header_1_0(member)[2].hasobject
    np.savez(folder / index.parts[0].file, evil=np.array([print], object))
    with pytest.raises(DamagedCheckpoint, match="holds Python objects"):
        read_arrays(folder, index.parts[0])


def test_equal_arrays_make_equal_files(tmp_path: Path) -> None:
    one, two = save(tmp_path / "one", 1), save(tmp_path / "two", 1)
    assert read_index(one).parts == read_index(two).parts


def test_parts_count_when_every_rank_has_its_receipt(tmp_path: Path) -> None:
    assert written_parts(tmp_path / "absent", 1, "x") is None
    write_part(tmp_path, 1, "x", arrays(1))
    write_part(tmp_path, 0, "another", arrays(0))
    assert written_parts(tmp_path, 2, "x") is None
    write_part(tmp_path, 0, "x", arrays(0))
    parts = written_parts(tmp_path, 2, "x")
    assert parts is not None
    assert [part.file for part in parts] == ["part-00000-x.npz", "part-00001-x.npz"]
    assert [part.bytes for part in parts] == [(tmp_path / part.file).stat().st_size for part in parts]


def test_a_storage_that_is_gone_is_not_written_to(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_part(tmp_path / "unmounted" / "step-00000001", 0, "x", arrays(0))
    assert list(tmp_path.iterdir()) == []
