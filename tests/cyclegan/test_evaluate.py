"""The numbers are those of the files, and what has no truth is refused."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan.evaluate import ground_truth_error, main
from cyclegan.inference.generator_checkpoint import read_generators
from cyclegan.translate import load_translator
from preprocess.images.decode import decode
from preprocess.synthetic import write_dataset
from ringcycle.domains import DIRECTIONS
from ringcycle.errors import UserError
from tests.cyclegan.made_checkpoint import write_checkpoint


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and a source of 6 test images, 36 pixels a side."""
    folder = tmp_path_factory.mktemp("made")
    write_checkpoint(folder / "run")
    write_dataset(folder / "source", images=1, test=6, size=36)
    return folder


def distance(one: Path, other: np.ndarray) -> float:
    return float(np.abs(np.asarray(Image.open(one).convert("RGB"), float) - other).mean())


def test_numbers_are_those_of_the_files(made: Path) -> None:
    source = made / "source"
    errors = ground_truth_error(made / "run", source)
    assert tuple(errors) == DIRECTIONS
    for direction, found in errors.items():
        translate = load_translator(read_generators(made / "run"), direction)
        tests = [source / f"test{direction[0]}/{i:05}.jpg" for i in range(6)]
        truths = [source / f"truth/{direction}/{i:05}.png" for i in range(6)]
        translated = np.mean([distance(truth, translate(decode(test)).astype(float)) for test, truth in zip(tests, truths, strict=True)])
        unchanged = np.mean([distance(truth, np.asarray(Image.open(test), float)) for test, truth in zip(tests, truths, strict=True)])
        assert found.images == 6
        # Means of the same integers in another order: float64 rounding.
        assert found.translated == pytest.approx(translated, rel=1e-9)
        assert found.unchanged == pytest.approx(unchanged, rel=1e-9)
        assert found.ratio == pytest.approx(translated / unchanged, rel=1e-9)
        assert found.ratio > 1  # these networks know nothing


def test_truth_itself_has_no_error(made: Path, tmp_path: Path) -> None:
    """Where the image is its own truth, unchanged has the error 0, and nothing can be better."""
    source = tmp_path / "source"
    shutil.copytree(made / "source", source)
    for direction in DIRECTIONS:
        shutil.rmtree(source / f"test{direction[0]}")
        shutil.copytree(source / "truth" / direction, source / f"test{direction[0]}")
    for found in ground_truth_error(made / "run", source).values():
        assert found.unchanged == 0
        assert found.ratio == float("inf")


def test_command_prints_numbers_and_writes_a_table(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--checkpoint", str(made / "run"), str(made / "source"), "--images", str(tmp_path / "new/table.png")]) == 0
    printed = capsys.readouterr()
    errors = ground_truth_error(made / "run", made / "source")
    assert printed.out.splitlines() == [f"{direction}: {found.describe()}" for direction, found in errors.items()]
    assert printed.err == f"evaluating step 10 of {made / 'run/checkpoints/step-00000010'}\n"
    with Image.open(tmp_path / "new/table.png") as table:
        colours = np.asarray(table.convert("RGB"))
    assert colours.shape == (24 + 4 * 150, 6 + 6 * 150 + 30, 3)
    first = np.asarray(Image.open(made / "source/truth/AtoB/00000.png"))
    np.testing.assert_array_equal(colours[24 : 24 + 144 : 4, 306 : 306 + 144 : 4], first)  # 36 pixels, each drawn 4 x 4


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main([str(a) for a in arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


def test_what_has_no_truth_is_refused(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, source = made / "run", tmp_path / "source"
    assert "there is no folder" in refused(capsys, "--checkpoint", run, source)
    shutil.copytree(made / "source", source)
    (source / "truth/BtoA/00003.png").unlink()
    assert "truth/BtoA/00003.png is missing" in refused(capsys, "--checkpoint", run, source)
    shutil.rmtree(source / "truth/BtoA")
    assert "truth/BtoA: give what `python -m preprocess.synthetic` wrote" in refused(capsys, "--checkpoint", run, source)
    assert "nowhere does not exist" in refused(capsys, "--checkpoint", made / "nowhere", made / "source")
    assert "does not end with .png" in refused(capsys, "--checkpoint", run, made / "source", "--images", tmp_path / "x.gif")


def test_a_folder_that_cannot_be_listed_is_named_as_the_source(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = shutil.copytree(made / "source", tmp_path / "source")
    name, folder = "x" * 250, os.open(source / "testA", os.O_RDONLY)
    for _ in range(17):  # deeper than the name of a folder may be long, which stops even root
        os.mkdir(name, dir_fd=folder)
        outer, folder = folder, os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(outer)
    os.close(folder)
    fact = f"SOURCE: {source / 'testA'} cannot be listed (File name too long): fix this, or give another folder"
    assert refused(capsys, "--checkpoint", made / "run", source) == f"error: {fact}"


def test_an_image_above_the_limit_names_the_option(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--checkpoint", str(made / "run"), str(made / "source"), "--max-megapixels", "0.001"]) == 2
    assert "36x36 pixels, more than 0.001 megapixels (--max-megapixels)" in capsys.readouterr().err


@pytest.mark.parametrize(("content", "fact"), [(b"", "empty file"), (None, "differ in size")])
def test_spoilt_truth_is_refused(content: bytes | None, fact: str, made: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(made / "source", source)
    truth = source / "truth/AtoB/00005.png"
    if content is None:
        Image.new("RGB", (20, 36)).save(truth)
    else:
        truth.write_bytes(content)
    with pytest.raises(UserError, match=fact):
        ground_truth_error(made / "run", source)
