"""The checks' own files: written, read, and gone afterwards."""

from pathlib import Path

import pytest

from cluster.diagnosis.storage_probe import ABSENT, content_of, empty_again, read_all, scratch_folder, upload, write_twice


def test_a_file_that_one_node_writes_is_what_another_reads(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        written = write_twice(folder, "node-0")
        assert written.fact == "" and written.seconds > 0
        assert read_all(folder, ["node-0"]).missing == ()
        for size in (2**20 + 5, 6 * 2**20 + 5):
            sent = upload(folder, "large", size, seconds=30)
            assert (sent.bytes, sent.fact) == (size, "") and sent.seconds > 0
        assert isinstance(folder, Path) and [file.name for file in folder.iterdir()] == ["node-0"]
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_or_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.diagnosis.storage_probe.LATE_SECONDS", 0.1)
    (tmp_path / "old").write_bytes(content_of("old", 1))
    (tmp_path / "new").write_bytes(content_of("new", 2))
    assert read_all(tmp_path, ["old", "new", "none"]).missing == ("old", "none")


def test_a_folder_that_is_not_there_or_cannot_be_written(tmp_path: Path) -> None:
    assert write_twice(tmp_path / "none", "x").fact == ABSENT
    assert upload(tmp_path / "none", "x", 10, 1.0).fact == "No such file or directory"
    (tmp_path / "x").mkdir()
    assert write_twice(tmp_path, "x").fact == "Is a directory"


def test_sending_ends_when_time_is_up(tmp_path: Path) -> None:
    assert 0 < upload(tmp_path, "large", 2**50, seconds=0.01).bytes < 2**34


def test_folders_that_were_missing_are_missing_again(tmp_path: Path) -> None:
    with empty_again(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b").mkdir(parents=True)
    assert list(tmp_path.iterdir()) == []
    with empty_again(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b").mkdir(parents=True)
        (tmp_path / "a" / "others").touch()  # by somebody else, meanwhile
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["others"]
    with empty_again(tmp_path / "a"):
        pass
    assert (tmp_path / "a" / "others").exists()
