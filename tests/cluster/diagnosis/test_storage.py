"""The checks of the storage as they run on one machine: in a folder and in a bucket, which both are as before."""

from pathlib import Path

import pytest

from cluster.diagnosis.finding import Finding, Verdict
from cluster.diagnosis.nodes import Budget, ThisMachine
from cluster.diagnosis.storage import storage
from cluster.load_config import load_config
from cyclegan.config import ImageFormat
from ringcycle.storage.store import Store
from tests.cluster.launch import TINY, options
from tests.preprocess.object_store import object_store
from tests.small_file_system import small_file_system


def findings(location: object, folder: Path, *arguments: str) -> list[Finding]:
    config = load_config([*options({**TINY, "run.storage": location}), *arguments], {})
    return list(storage(config, ImageFormat(), ThisMachine(), {}, folder, Budget(60)))


def test_a_folder_below_the_working_directory(tmp_path: Path) -> None:
    found = findings("a/runs", tmp_path)
    assert [(finding.check, finding.verdict) for finding in found] == [(name, Verdict.OK) for name in ("storage", "room", "checkpoint")]
    assert found[0].text.startswith(f"run.storage = {tmp_path}/a/runs: writable, replaces files atomically, ")
    assert list(tmp_path.iterdir()) == []


def test_a_bucket(tmp_path: Path) -> None:
    with object_store() as server:
        found = findings(server.uri("runs"), tmp_path)
        assert [(finding.check, finding.verdict) for finding in found] == [("storage", Verdict.OK), ("checkpoint", Verdict.OK)]
        assert found[0].text.startswith("run.storage = s3://***@bucket/runs: writable")
        assert Store(server.uri("runs")).entries(recursive=True) == []
        (refused,) = findings(server.uri("runs").replace("bucket", "none"), tmp_path)
        assert refused.verdict is Verdict.PROBLEM and "is not writable" in refused.fact and "SECRET" not in refused.fact + refused.cure


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (finding,) = findings(tmp_path / "file", tmp_path)
    assert (finding.verdict, finding.cure) == (Verdict.PROBLEM, "give one that you may write to")
    assert finding.fact == f"run.storage = {tmp_path}/file: cannot create this folder (File exists)"


def test_a_disk_without_room(tmp_path: Path) -> None:
    """The measurement itself takes a quarter of what is free."""
    with small_file_system(tmp_path / "disk", 8 * 2**20) as disk:
        found = {finding.check: finding for finding in findings(disk, tmp_path, "--model.filters", "32", "--model.blocks", "3")}
        assert list(disk.iterdir()) == []
    assert found["room"].verdict is Verdict.PROBLEM and "not even one fits beside the next" in found["room"].text
    assert found["storage"].verdict is found["checkpoint"].verdict is Verdict.OK


@pytest.mark.parametrize("location", ["s4://bucket/runs", "s3://bucket/runs?nonsense=1"])
def test_an_address_that_is_none(location: str, tmp_path: Path) -> None:
    (finding,) = findings(location, tmp_path)
    assert finding.verdict is Verdict.PROBLEM and finding.cure
