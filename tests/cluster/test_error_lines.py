"""Error lines of the commands: no credentials of a mistyped location, and no control characters of foreign text."""

from pathlib import Path

import pytest

import cluster.train
import preprocess.build


@pytest.mark.parametrize("location", ["s3:/KEY:SECRET@bucket/x", "s3:KEY:SECRET@bucket/x", "KEY:SECRET@bucket/x"])
def test_credentials_of_a_mistyped_location_stay_secret(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert preprocess.build.main([location, "out"]) == 2
    assert cluster.train.main(["--data.source", location, "--run.storage", str(tmp_path)]) == 2
    printed = "".join(capsys.readouterr())
    assert "***@bucket/x" in printed and "SECRET" not in printed
    assert len(printed.splitlines()) == 2


def test_control_characters_of_a_location_are_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    location = str(tmp_path / "\x1b[2J")
    assert preprocess.build.main([location, str(tmp_path / "out")]) == 2
    assert cluster.train.main(["--data.source", location, "--run.storage", str(tmp_path)]) == 2
    printed = "".join(capsys.readouterr())
    assert "\x1b" not in printed and "\\x1b[2J" in printed
