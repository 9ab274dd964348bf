"""A rerun finds what is done, whatever was cut off or changed; another translation is refused."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.translation.record import NAME, TranslationRecord
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.job_translator import TranslationSettings, Written
from cyclegan.inference.scale import Scale
from ringcycle.errors import UserError
from tests.cyclegan.made_checkpoint import MODEL, weights

SETTINGS = TranslationSettings(GeneratorCheckpoint("runs/a/step-00000010", 10, MODEL, weights()), "AtoB", Scale(64), 64)
Files = list[tuple[Path, Path]]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Three images and their results, all written."""
    found = [(tmp_path / "in" / name, tmp_path / "out" / name) for name in ("a.png", "deep/b.png", "c.png")]
    for image, result in found:
        for path in (image, result):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{path}")
    return found


def written(path: Path) -> Written:
    return Written(path.stat().st_size, path.stat().st_mtime_ns)


def fill(files: Files, folder: Path) -> None:
    record = TranslationRecord(folder, SETTINGS)
    record.open()
    for image, result in files:
        record.add(image, result, written(result))
    record.close()


def test_a_rerun_misses_nothing(files: Files, tmp_path: Path) -> None:
    assert TranslationRecord(tmp_path / "out", SETTINGS).missing(files) == [0, 1, 2], "results without a record are anybody's"
    fill(files[:2], tmp_path / "out")
    assert TranslationRecord(tmp_path / "out", SETTINGS).missing(files) == [2]
    fill(files[2:], tmp_path / "out")
    assert TranslationRecord(tmp_path / "out", SETTINGS).missing(files) == []


def test_what_changed_is_done_again(files: Files, tmp_path: Path) -> None:
    fill(files, tmp_path / "out")
    files[0][1].unlink()
    os.utime(files[1][1], ns=(1, 1))  # overwritten by another command
    files[2][0].write_text("another image")
    assert TranslationRecord(tmp_path / "out", SETTINGS).missing(files) == [0, 1, 2]


def test_a_line_that_a_crash_cut_off_is_done_again(files: Files, tmp_path: Path) -> None:
    fill(files, tmp_path / "out")
    path = tmp_path / "out" / NAME
    path.write_bytes(path.read_bytes()[:-20])
    assert TranslationRecord(tmp_path / "out", SETTINGS).missing(files) == [2]
    fill(files[2:], tmp_path / "out")
    assert TranslationRecord(tmp_path / "out", SETTINGS).missing(files) == []


@pytest.mark.parametrize(
    "other",
    [
        replace(SETTINGS, direction="BtoA"),
        replace(SETTINGS, scale=Scale(65)),
        replace(SETTINGS, scale=Scale(64, restore=True)),
        replace(SETTINGS, trained=replace(SETTINGS.trained, weights=weights(1))),
    ],
)
def test_another_translation_is_refused(other: TranslationSettings, files: Files, tmp_path: Path) -> None:
    fill(files, tmp_path / "out")
    words = "AtoB by step 10 of runs/a/step-00000010, with 64 pixels on the shorter side"
    with pytest.raises(
        UserError, match=f"^OUTPUT = .*/out holds another translation, {words}: continue that one with its own --checkpoint"
    ):
        TranslationRecord(tmp_path / "out", other)


def test_a_moved_checkpoint_and_another_limit_continue(files: Files, tmp_path: Path) -> None:
    fill(files, tmp_path / "out")
    moved = replace(SETTINGS, megapixels=1, trained=replace(SETTINGS.trained, folder="elsewhere"))
    assert TranslationRecord(tmp_path / "out", moved).missing(files) == []


@pytest.mark.parametrize("content", [b"", b"[]\n", b"\xff\x00"])
def test_a_record_of_an_unknown_kind_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(UserError, match="of an unknown kind"):
        TranslationRecord(tmp_path, SETTINGS)


def test_a_folder_that_cannot_be_made_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"out cannot be written to \(Not a directory\): give another folder"):
        TranslationRecord(tmp_path / "file" / "out", SETTINGS).open()
