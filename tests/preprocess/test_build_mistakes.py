"""Mistakes of the user are reported before Ray starts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from preprocess.build import main
from preprocess.building.shard_folder import build, check_source, ensure_shards, finished_shards
from preprocess.config import DataConfig
from preprocess.sources.layouts import Source
from ringcycle.errors import UserError
from tests.preprocess.small_shards import make_shards


def wrong(act: Callable[[], object]) -> str:
    """The one-line message of a UserError."""
    with pytest.raises(UserError) as error:
        act()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_wrong_sources_are_found_without_ray(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for split in ("trainA", "trainB"):
        (source / split).mkdir(parents=True)
        (source / split / "0.jpg").write_bytes(b"listed, not read")
    check_source(DataConfig(source=str(source)))
    for path in (source / "trainB").iterdir():
        path.unlink()
    for act in (check_source, lambda config: ensure_shards(config, tmp_path / "shards")):
        assert "no images in trainB" in wrong(lambda act=act: act(DataConfig(source=str(source))))  # type: ignore[misc]
        assert "does not exist" in wrong(lambda act=act: act(DataConfig(source=str(tmp_path / "absent"))))  # type: ignore[misc]
    assert not (tmp_path / "shards").exists()


def test_a_folder_that_cannot_be_written_is_reported_without_ray(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for split in ("trainA", "trainB"):
        (source / split).mkdir(parents=True)
        (source / split / "0.jpg").write_bytes(b"listed, not read")
    config = DataConfig(source=str(source))
    below_file = source / "trainA" / "0.jpg" / "shards"
    for act in (lambda: build(Source(str(source)), below_file, config), lambda: ensure_shards(config, below_file)):
        assert wrong(act) == f"{below_file} cannot be written (Not a directory): fix this, or name another folder"


@pytest.mark.parametrize("form", ["{}", "file://{}", "~"])
def test_finished_shards_are_found_however_they_are_named(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(make_shards(tmp_path / "shards")))
    assert finished_shards(form.format(tmp_path / "shards")) == tmp_path / "shards"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["absent", "out"], 'error: data.source = "{here}/absent" does not exist: name a folder that holds trainA and trainB'),
        (["absent", "out", "--load-size", "3"], "error: data.load_size = 3: give a number from 24 to 4096, or two as [HEIGHT, WIDTH]"),
        (
            ["absent", "out", "--threads", "many"],
            "error: --threads = many: input should be a valid integer, unable to parse string as an integer",
        ),
    ],
)
def test_command_mistakes(
    arguments: list[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert capsys.readouterr().err == line.replace("{here}", str(tmp_path)) + "\n"
    assert list(tmp_path.iterdir()) == []
