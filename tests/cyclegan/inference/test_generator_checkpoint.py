"""Generators are found in a run or a checkpoint, valid ones only, with their own settings."""

from math import prod
from pathlib import Path

import numpy as np
import pytest

from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.folders import verify
from cyclegan.checkpoint_files.index import read_index
from cyclegan.checkpoint_files.measures import Measures, write_measures
from cyclegan.checkpoint_files.parts import read_arrays
from cyclegan.config import ModelSpec
from cyclegan.inference.generator_checkpoint import read_generators
from cyclegan.networks.shapes import generator_shapes
from ringcycle.errors import UserError
from tests.cyclegan.made_checkpoint import MODEL, damage, weights, write_checkpoint


def test_run_gives_its_newest_checkpoint(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 9)
    newest = write_checkpoint(tmp_path, 10)
    trained = read_generators(tmp_path)
    assert (trained.folder, trained.step, trained.model) == (str(newest), 10, MODEL)
    np.testing.assert_array_equal(trained.weights, weights(10))


def test_checkpoint_gives_itself(tmp_path: Path) -> None:
    first = write_checkpoint(tmp_path, 9)
    write_checkpoint(tmp_path, 10)
    assert read_generators(first).step == 9


def test_sizes_of_the_networks_come_from_the_checkpoint(tmp_path: Path) -> None:
    model = ModelSpec(filters=5, blocks=2)
    size = sum(map(prod, generator_shapes(model).values()))
    write_checkpoint(tmp_path, model=model, flat=np.zeros(size, np.float32))
    assert read_generators(tmp_path).model == model


def test_a_damaged_checkpoint_of_a_run_is_reported_and_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_checkpoint(tmp_path, 9)
    damage(write_checkpoint(tmp_path, 10))
    assert read_generators(tmp_path).step == 9
    assert len(caplog.messages) == 1
    assert "step-00000010/part-00000-x.npz: its checksum differs" in caplog.text


def test_the_average_translates_where_there_is_one(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 9, average=weights(1), fields={"train": {"ema": 0.999}})
    np.testing.assert_array_equal(read_generators(tmp_path).weights, weights(1))
    write_checkpoint(tmp_path, 10, fields={"train": {"ema": 0}})
    np.testing.assert_array_equal(read_generators(tmp_path).weights, weights(10))


def test_the_best_one_is_so_by_the_measure_that_its_run_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_checkpoint(tmp_path, 1)
    with pytest.raises(UserError, match=r"^--which = best: no checkpoint of .*checkpoints was measured: use newest, or train"):
        read_generators(tmp_path, "best")
    for step, kid, fid in ((1, 5.0, 1.0), (2, 3.0, 2.0), (3, 4.0, 3.0)):
        index = read_index(folder := write_checkpoint(tmp_path, step, fields={"run": {"keep_best": "auto"}}))
        write_measures(folder, Measures(checkpoint=index.sha256, step=step, images=1, values={"kid": kid, "fid": fid}))
    assert read_generators(tmp_path, "best").step == 2
    assert read_generators(tmp_path).step == 3
    damage(tmp_path / "checkpoints/step-00000002")
    assert read_generators(tmp_path, "best").step == 3
    assert "damaged checkpoint skipped" in caplog.text
    write_checkpoint(tmp_path, 4, fields={"run": {"keep_best": "fid"}})
    assert read_generators(tmp_path, "best").step == 1


def refused(location: Path) -> str:
    with pytest.raises(UserError) as error:
        read_generators(location)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_no_trained_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert "does not exist: give the folder of a run" in refused(tmp_path / "nowhere")
    assert "is a file" in refused(tmp_path / "notes.txt")
    assert "neither checkpoint.json nor a folder checkpoints" in refused(tmp_path)
    (tmp_path / "checkpoints" / "step-00000010").mkdir(parents=True)
    assert "no checkpoint yet" in refused(tmp_path)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    damage(folder)
    assert "is damaged" in refused(folder)
    assert "none of its checkpoints is valid" in refused(tmp_path)
    (folder / "checkpoint.json").write_bytes(b"\xff")
    assert "is damaged" in refused(folder)


def test_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, fields={"model": {"norm": "layer"}})
    assert "no generators that this version knows (" in refused(folder)


def test_part_without_generators_is_refused(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    with pytest.raises(DamagedCheckpoint, match=r"part-00001-x\.npz: generators.weights is missing"):
        read_arrays(folder, verify(folder).parts[1], ("generators.weights",))
