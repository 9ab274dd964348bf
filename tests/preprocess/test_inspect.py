"""The description of shards that the user sees; one-line errors for damage and mistakes."""

from pathlib import Path

import pytest
from PIL import Image

from preprocess.images.contact_sheet import MOST, evenly
from preprocess.inspect import main
from tests.preprocess.small_shards import make_shards


def test_shards_are_described_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shards = make_shards(tmp_path / "shards", "uint16")
    assert main([str(shards), "--sheet", str(tmp_path / "sheet.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["fingerprint 0000000000000000, from here", "images 70x70, 3 and 3 channels (A and B) of uint16"]
    assert lines[2].startswith("trainA: 13 images, 70x70, 3 shard(s), ")
    assert lines[4] == "rejected: 0" and lines[7] == "checksums: all shards are intact"
    assert [line.rpartition("/")[2] for line in lines[8:]] == ["sheet-trainA.png", "sheet-trainB.png"]
    with Image.open(tmp_path / "sheet-trainB.png") as sheet:
        assert sheet.size == (8 * 136 + 8, 3 * 150 + 8)  # 20 images, 8 across


def test_a_damaged_shard_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shards = make_shards(tmp_path / "shards")
    data = bytearray((shards / "trainB-1.arrow").read_bytes())
    data[-500] ^= 1
    (shards / "trainB-1.arrow").write_bytes(data)
    assert main([str(shards)]) == 2
    printed = capsys.readouterr()
    assert "checksums" not in printed.out and printed.err.startswith(f"error: {shards / 'trainB-1.arrow'} is damaged")


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shards = make_shards(tmp_path / "shards")
    assert main([str(tmp_path / "absent")]) == 2
    assert main([str(shards), "--sheet", str(tmp_path / "sheet.jpg")]) == 2
    assert main([str(shards), "--sheet", str(tmp_path / "absent" / "sheet.png")]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert errors[0].startswith(f"error: {tmp_path / 'absent' / 'manifest.json'} cannot be read (No such file or directory)")
    assert errors[1] == f"error: --sheet = {tmp_path / 'sheet.jpg'} does not end with .png: use a name that does"
    assert errors[2].startswith(f"error: --sheet: {tmp_path / 'absent' / 'sheet-trainA.png'} cannot be written (No such file or directory)")


def test_samples_are_spread_evenly() -> None:
    assert evenly(3) == [0, 1, 2]
    many = evenly(1000)
    assert len(many) == MOST and many[0] == 0 and many[-1] == 987 and many == sorted(set(many))
