import re
from pathlib import Path

import pytest

from cluster.checkpoint import main
from cluster.checkpointing.retention import set_aside
from cyclegan.checkpoint_files.names import INDEX
from tests.cyclegan.made_checkpoint import damage, write_checkpoint

WRITTEN = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


def listing(run: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    code = main(["list", str(run)])
    return code, [re.sub("  +", "  ", line.strip()) for line in capsys.readouterr().out.splitlines()]


def test_good_ones_are_listed_with_the_reason_they_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for step in (1000, 2000, 3000, 4000):
        write_checkpoint(tmp_path, step, fields={"run": {"keep": 2, "keep_every": 3000}})
    code, (head, *lines) = listing(tmp_path, capsys)
    assert code == 0
    assert head == "step  written (UTC)  size  workers  verdict  kept as"
    assert re.fullmatch(rf"1,000  {WRITTEN}  0.\d MB  2  good", lines[0])
    assert [line.partition("good  ")[2] for line in lines] == ["", "", "newest, every", "newest"]


def test_damage_is_listed_and_that_of_the_newest_decides_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = (write_checkpoint(tmp_path, step) for step in (1, 2, 3))
    damage(first)
    (second / INDEX).write_bytes(b"\x00")
    code, lines = listing(tmp_path, capsys)
    assert code == 0
    assert "damaged: part-00000-x.npz: its checksum differs from the one written" in lines[1]
    assert lines[2].startswith("2  damaged: checkpoint.json: Invalid JSON")
    damage(third)
    code, lines = listing(tmp_path, capsys)
    assert code == 1
    set_aside(third.parent, first)
    code, lines = listing(tmp_path, capsys)
    assert code == 1
    assert [line.partition("  ")[0] for line in lines[1:]] == ["1", "2", "3"]
    assert lines[3].endswith("set aside")


def test_no_checkpoint_and_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "checkpoints").mkdir()
    assert listing(tmp_path, capsys)[0] == 1
    assert main(["list", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err == f"error: RUN = {tmp_path}/nowhere has no folder checkpoints: give the folder of a run, STORAGE/NAME\n"
