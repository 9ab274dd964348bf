"""What is read of a run's files while they grow, and after a restart has cut them."""

import json
import math
from pathlib import Path

from PIL import Image

from cluster.paths import METRICS
from cluster.tracking import run_files
from cluster.tracking.run_files import ImageFolder, ScalarFile


def append(folder: Path, *steps: int, loss: float = 1.0) -> None:
    with (folder / METRICS).open("a") as file:
        file.writelines(json.dumps({"step": step, "G_AB": loss}) + "\n" for step in steps)


def steps_of(file: ScalarFile) -> list[int]:
    """All steps that are new, accepted."""
    steps = []
    while batch := file.batch():
        steps += [record.step for record in batch]
        file.accept()
    return steps


def test_lines_are_read_once_as_they_come(tmp_path: Path) -> None:
    file = ScalarFile(tmp_path, METRICS, "", 0)
    assert steps_of(file) == [], "the file does not exist yet"
    append(tmp_path, 1, 2)
    assert steps_of(file) == [1, 2]
    with (tmp_path / METRICS).open("a") as out:
        out.write('{"step": 3, "G')
        out.flush()
        assert steps_of(file) == [], "the line is not complete"
        out.write('_AB": 0.5}\n')
    (record,) = file.batch()
    assert record[:2] == (3, {"G_AB": 0.5})
    assert file.batch() == [record], "the same, with its time, until it is accepted"
    assert steps_of(file) == [3]
    assert steps_of(ScalarFile(tmp_path, METRICS, "", 2)) == [3], "of a later launch"


def test_steps_that_a_restart_repeats_are_not_read_again(tmp_path: Path) -> None:
    for repeated, longer in (([21, 22, 23], False), ([21, *range(22, 60)], True)):
        (tmp_path / METRICS).unlink(missing_ok=True)
        file = ScalarFile(tmp_path, METRICS, "", 0)
        append(tmp_path, *range(1, 31))
        assert steps_of(file)[-1] == 30
        (tmp_path / METRICS).unlink()
        append(tmp_path, *range(1, 21))
        append(tmp_path, *repeated, loss=0.123456)  # lines of another length: the old end lies within one
        assert steps_of(file) == ([*range(31, 60)] if longer else [])


def test_large_files_are_read_in_pieces(tmp_path: Path) -> None:
    lines = 3 * run_files.READ_BYTES // 20
    append(tmp_path, *range(1, lines + 1))
    file = ScalarFile(tmp_path, METRICS, "", 0)
    assert 0 < len(file.batch()) < lines // 2
    assert steps_of(file) == list(range(1, lines + 1))


def test_only_numbers_are_taken_and_damaged_lines_left_out(tmp_path: Path) -> None:
    lines = ['{"step": 1, "kid": NaN, "images": [3, 4], "ok": true, "name": "x"}', "[]", '{"step": "2"}', "\x00", '{"step": 3, "kid": 2}']
    (tmp_path / METRICS).write_text("\n".join(lines) + "\n")
    first, second = ScalarFile(tmp_path, METRICS, "held out/", 0).batch()
    assert first.values.keys() == {"held out/kid"} and math.isnan(first.values["held out/kid"])
    assert second[:2] == (3, {"held out/kid": 2.0})


def test_images_wait_until_they_are_complete(tmp_path: Path) -> None:
    for name in ("step-00000010", "step-00000020", "held-out-00000010"):
        Image.new("RGB", (4, 4)).save(tmp_path / f"{name}.png")
    content = (tmp_path / "step-00000020.png").read_bytes()
    (tmp_path / "step-00000020.png").write_bytes(content[:-1])
    folder = ImageFolder(tmp_path, "step", 0)
    assert folder.waiting() == [(10, "step-00000010.png"), (20, "step-00000020.png")]
    assert folder.read("step-00000020.png") is None
    (tmp_path / "step-00000020.png").write_bytes(content)
    assert folder.read("step-00000020.png") == content
    folder.step = 10
    assert folder.waiting() == [(20, "step-00000020.png")]
    assert ImageFolder(tmp_path / "none", "step", 0).waiting() == []
