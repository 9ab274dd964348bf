"""Checkpoint files: written and read back, and damaged ones named."""

import json
import os
import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.folders import checkpoints, delete, drop_leftovers, verify
from cyclegan.checkpoint_files.index import Index, publish, read_index
from cyclegan.checkpoint_files.names import ASIDE, INDEX, step_folder
from cyclegan.checkpoint_files.parts import read_arrays, write_part, written_parts
from cyclegan.config import ImageFormat

ROOT = Path(__file__).parents[2]


def arrays(rank: int) -> dict[str, npt.NDArray[Any]]:
    random = np.random.default_rng(rank)
    pool = {"pool.images": random.random((2, 1, 3, 4, 4, 3), np.float32), "pool.filled": random.random((2, 1, 3)) < 0.5}
    return pool if rank else {"generators.weights": random.random(1000), "generators.updates": np.array(7, np.int32)} | pool


def save(root: Path, step: int, workers: int = 2, token: str = "x") -> Path:
    root.mkdir(exist_ok=True)
    folder = root / f"step-{step:08d}"
    for rank in range(workers):
        write_part(folder, rank, token, arrays(rank))
    parts = written_parts(folder, workers, token)
    assert parts is not None
    index = Index(
        step=step,
        position=step * workers,
        workers=workers,
        fingerprint="f" * 64,
        images=ImageFormat(),
        written=datetime(2026, 11, 24, tzinfo=UTC),
        cycle_loss=0.25,
        versions={"python": "3"},
        config={"train": {"batch": 1}},
        parts=parts,
    )
    publish(folder, index)
    drop_leftovers(folder)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


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


def test_checkpoints_are_listed_oldest_first_and_partial_ones_never(tmp_path: Path) -> None:
    assert checkpoints(tmp_path) == []
    folders = [save(tmp_path, step) for step in (100, 9, 20, 123_456_789)]
    write_part(step_folder(tmp_path, 300), 0, "x", arrays(0))
    (tmp_path / "step-00000350.copy").mkdir()
    (tmp_path / "step-00000350.copy" / INDEX).write_text((folders[0] / INDEX).read_text())
    (tmp_path / "step-00000400").mkdir()
    assert checkpoints(tmp_path) == [step_folder(tmp_path, step) for step in (9, 20, 100, 123_456_789)]


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


def test_a_torn_checkpoint_of_the_same_step_gives_way(tmp_path: Path) -> None:
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


def test_a_storage_that_is_gone_is_not_written_to(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_part(tmp_path / "unmounted" / "step-00000001", 0, "x", arrays(0))
    assert list(tmp_path.iterdir()) == []


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def reseal(path: Path, **values: object) -> None:
    """An index that is wrong, but not by damage."""
    index = read_index(path.parent).model_copy(update=values)
    path.write_text(index.model_copy(update={"sha256": index.seal()}).model_dump_json())


@pytest.mark.parametrize(
    ("file", "harm", "text"),
    [
        ("part-00000-x.npz", truncate, r"bytes, \d+ were written"),
        ("part-00001-x.npz", flip, "its checksum differs from the one written"),
        ("part-00001-x.npz", Path.unlink, "missing"),
        ("part-00000-x.npz", lambda path: path.write_bytes(b""), "0 bytes"),
        (INDEX, Path.unlink, r"cannot be read \(No such file"),
        (INDEX, truncate, "Invalid JSON"),
        (INDEX, lambda path: path.write_bytes(b""), "Invalid JSON"),
        (INDEX, lambda path: path.write_bytes(b"\xff\xfe\x00"), "Invalid JSON"),
        (INDEX, lambda path: path.write_text("{}"), "format: Field required"),
        (INDEX, lambda path: path.write_text('{"format": 3}'), "step: Field required"),
        (INDEX, lambda path: edit(path, surprise=1), "surprise: Extra inputs are not permitted"),
        (INDEX, lambda path: edit(path, format=1), "format 1, this version reads 3"),
        (INDEX, lambda path: edit(path, position=401), "its checksum differs from the one written"),
        (INDEX, lambda path: edit(path, config={"train": {"batch": 2}}), "its checksum differs from the one written"),
        (INDEX, lambda path: edit(path, sha256=""), "its checksum differs from the one written"),
        (INDEX, lambda path: reseal(path, parts=read_index(path.parent).parts[:1]), "1 parts of 2 workers"),
        (INDEX, lambda path: reseal(path, step=4), "is of step 4, unlike its folder"),
    ],
)
def test_a_torn_checkpoint_is_known_by_name(tmp_path: Path, file: str, harm: Any, text: str) -> None:
    folder = save(tmp_path, 3)
    harm(folder / file)
    with pytest.raises(DamagedCheckpoint, match=text) as caught:
        verify(folder)
    assert str(caught.value).startswith(f"{folder / file}: ")
    assert "\n" not in str(caught.value)
