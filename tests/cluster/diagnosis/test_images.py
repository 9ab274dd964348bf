"""The images of a training as the doctor looks for them."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from cluster.diagnosis.finding import Finding, Verdict
from cluster.diagnosis.images import inspect, visible
from cluster.diagnosis.nodes import Budget, ThisMachine
from cluster.load_config import load_config
from tests.preprocess.small_shards import SIZES, make_shards


def findings(arguments: Sequence[str]) -> list[Finding]:
    config = load_config(arguments, {})
    images, complaints = inspect(config)
    return [*complaints, *visible(config, images, ThisMachine(), Budget(10))]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for split, count in (("trainA", 2), ("trainB", 3)):
        (tmp_path / split).mkdir()
        for number in range(count):
            Image.new("RGB", (8, 8)).save(tmp_path / split / f"{number}.png")
    return tmp_path


def test_images_that_can_be_read(source: Path) -> None:
    (finding,) = findings(["--data.source", str(source)])
    assert (finding.verdict, finding.text) == (Verdict.OK, f"{source}: 2 of A and 3 of B, readable")
    assert inspect(load_config(["--data.source", str(source)], {}))[0].largest == 3


def test_images_that_are_gone_when_a_node_reads_them(source: Path) -> None:
    config = load_config(["--data.source", str(source)], {})
    images, _ = inspect(config)
    (source / images.samples[1]).unlink()
    (finding,) = visible(config, images, ThisMachine(), Budget(10))
    assert (finding.verdict, finding.text) == (Verdict.PROBLEM, f"{source} cannot be read (No such file or directory)")
    assert finding.cure.startswith("give a folder that all nodes share")


def test_finished_shards(tmp_path: Path) -> None:
    shards = make_shards(tmp_path, "uint8")
    (finding,) = findings(["--data.source", str(shards), "--data.crop_size", "64"])
    assert finding.verdict is Verdict.OK and finding.text.endswith(f"{SIZES[0]} of A and {SIZES[1]} of B, finished shards")


@pytest.mark.parametrize(
    ("arguments", "text", "cure"),
    [
        (["--data.source", "/nowhere"], 'data.source = "/nowhere" does not exist', "name a folder that holds trainA and trainB"),
        (
            ["--data.source", "synthetic", "--run.storage", "s3://K:S@bucket/runs"],
            "data.source = synthetic draws its images into run.storage = s3://***@bucket/runs, which is not a local folder",
            "give a folder of images, or a local run.storage",
        ),
    ],
)
def test_images_that_are_not_there(arguments: list[str], text: str, cure: str) -> None:
    (finding,) = findings(arguments)
    assert (finding.verdict, finding.text, finding.cure) == (Verdict.PROBLEM, text, cure)


def test_without_a_source_nothing_is_looked_for() -> None:
    (finding,) = findings([])
    assert finding.verdict is Verdict.OK and "--data.source" in finding.text


def test_a_check_that_fails_is_a_line(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    monkeypatch.setattr("cluster.diagnosis.images.find_images", lambda _: 1 / 0)
    (finding,) = findings(["--data.source", str(source)])
    assert (finding.verdict, finding.text) == (Verdict.WARNING, "this check failed: ZeroDivisionError: division by zero")
