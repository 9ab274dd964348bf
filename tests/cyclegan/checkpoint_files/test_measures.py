"""Measures lie beside the checkpoint that they were taken of, and tell which one is best."""

from pathlib import Path

import pytest

from cyclegan.checkpoint_files.folders import drop_leftovers, verify
from cyclegan.checkpoint_files.index import read_index
from cyclegan.checkpoint_files.measures import (
    MeasuredCheckpoint,
    Measures,
    best,
    find_best,
    measured,
    read_measures,
    write_measures,
)
from cyclegan.checkpoint_files.names import MEASURES
from tests.cyclegan.made_checkpoint import write_checkpoint


def measure(folder: Path, **values: float) -> None:
    index = read_index(folder)
    write_measures(folder, Measures(checkpoint=index.sha256, step=index.step, images=64, values=values))


def test_they_come_back_and_stay_with_their_checkpoint(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    assert read_measures(folder, read_index(folder)) == {}
    measure(folder, sliced_wasserstein=3.5)
    drop_leftovers(folder)
    assert read_measures(folder, verify(folder)) == {"sliced_wasserstein": 3.5}
    assert measured(folder) == MeasuredCheckpoint(10, {"sliced_wasserstein": 3.5})


def test_those_of_a_replaced_checkpoint_do_not_count(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    measure(folder, kid=1.0)
    write_checkpoint(tmp_path)  # of the same step, written at another time
    assert read_measures(folder, read_index(folder)) == {}


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\x00", b"[" * 100_000, b'{"values": {"kid": NaN}}', b" " * 2**21])
def test_damaged_ones_do_not_count(content: bytes, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    (folder / MEASURES).write_bytes(content)
    assert read_measures(folder, read_index(folder)) == {}


@pytest.mark.parametrize(
    ("metric", "values", "step"),
    [
        ("auto", [{"cycle_loss": 2.0}, {"cycle_loss": 1.0}, {"cycle_loss": 3.0}], 2),
        ("auto", [{"cycle_loss": 1.0}, {"cycle_loss": 2.0, "sliced_wasserstein": 9.0}, {"sliced_wasserstein": 8.0}], 3),
        ("auto", [{"sliced_wasserstein": 1.0}, {"sliced_wasserstein": 2.0, "kid": 5.0}, {"fid": 0.0}], 2),
        ("fid", [{"sliced_wasserstein": 1.0}, {"sliced_wasserstein": 2.0, "kid": 5.0}, {"fid": 9.0}], 3),
        ("kid", [{"sliced_wasserstein": 1.0}], None),
        ("none", [{"cycle_loss": 1.0}], None),
        ("kid", [{"kid": 1.0}, {"kid": 1.0}], 2),
        ("auto", [], None),
    ],
)
def test_which_is_best(metric: str, values: list[dict[str, float]], step: int | None) -> None:
    found = best([MeasuredCheckpoint(i, each) for i, each in enumerate(values, 1)], metric)
    assert (found and found.step) == step


def test_the_best_folder(tmp_path: Path) -> None:
    folders = [write_checkpoint(tmp_path, step) for step in (1, 2, 3)]
    for folder, value in zip(folders, (2.0, 1.0, 3.0), strict=True):
        measure(folder, sliced_wasserstein=value)
    assert find_best(folders, "auto") == folders[1]
    (folders[1] / "checkpoint.json").write_text("damaged")
    assert find_best(folders, "auto") == folders[0]
    assert find_best(folders, "fid") is None
