"""The numbers are those of the files, and what has no truth is refused."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan.evaluate import Options, evaluate_folder, main
from cyclegan.inference.evaluation_report import as_json, describe
from cyclegan.inference.generator_checkpoint import read_generators
from cyclegan.inference.loading import load_translator
from cyclegan.inference.scale import Scale
from preprocess.images.decode import decode
from preprocess.synthetic import write_dataset
from ringcycle.domains import DIRECTIONS
from ringcycle.errors import UserError
from tests.cyclegan.evaluation.inception_file import formula_weights, write_formula_weights
from tests.cyclegan.made_checkpoint import write_checkpoint


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and a source of 6 test images, 36 pixels a side."""
    folder = tmp_path_factory.mktemp("made")
    write_checkpoint(folder / "run")
    write_dataset(folder / "source", images=1, test=6, size=36)
    return folder


def distance(one: Path, other: np.ndarray) -> float:
    return float(np.abs(np.asarray(Image.open(one).convert("RGB"), float) - other).mean()) / 255


def test_numbers_are_those_of_the_files(made: Path) -> None:
    source = made / "source"
    found = evaluate_folder(made / "run", source, Options())
    assert found.images == (6, 6)
    for direction in DIRECTIONS:
        translate = load_translator(read_generators(made / "run"), direction)
        tests = [source / f"test{direction[0]}/{i:05}.jpg" for i in range(6)]
        truths = [source / f"truth/{direction}/{i:05}.png" for i in range(6)]
        translated = np.mean([distance(truth, translate(decode(test)).astype(float)) for test, truth in zip(tests, truths, strict=True)])
        unchanged = np.mean([distance(truth, np.asarray(Image.open(test), float)) for test, truth in zip(tests, truths, strict=True)])
        # Means of the same integers in another order: float64 rounding.
        assert found.values[f"truth_l1_{direction[-1]}"] == pytest.approx(translated, rel=1e-9)
        assert found.values[f"unchanged_l1_{direction[-1]}"] == pytest.approx(unchanged, rel=1e-9)
        assert translated > unchanged, "these networks know nothing"


def test_the_scale_is_that_of_translate(made: Path) -> None:
    examples = evaluate_folder(made / "run", made / "source", Options(scale=Scale(16))).examples["AtoB"]
    assert {example.fake.shape for example in examples} == {(16, 16, 3)}
    assert {example.truth.shape for example in examples if example.truth is not None} == {(16, 16, 3)}


def test_command_prints_numbers_and_writes_files(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, numbers = tmp_path / "new/table.png", tmp_path / "new/numbers.json"
    assert main(["--checkpoint", str(made / "run"), str(made / "source"), "--images", str(table), "--json", str(numbers)]) == 0
    printed = capsys.readouterr()
    evaluation = evaluate_folder(made / "run", made / "source", Options())
    assert printed.out.splitlines() == describe(evaluation)
    assert (
        printed.err
        == f"evaluating step 10 of {made / 'run/checkpoints/step-00000010'}, at native scale, as the checkpoint names no other\n"
    )
    assert json.loads(numbers.read_text()) == json.loads(as_json(evaluation))
    with Image.open(table) as image:
        colours = np.asarray(image.convert("RGB"))
    assert colours.shape == (24 + 4 * 150, 6 + 8 * 150 + 30, 3)
    first = np.asarray(Image.open(made / "source/truth/AtoB/00000.png"))
    np.testing.assert_array_equal(colours[24 : 24 + 144 : 4, 456 : 456 + 144 : 4], first)  # 36 pixels, each drawn 4 x 4


def test_a_broken_image_is_left_out(made: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = tmp_path / "source"
    for domain in "AB":
        shutil.copytree(made / "source" / f"test{domain}", source / f"test{domain}")
    (source / "testB/00002.jpg").write_bytes(b"no image")
    found = evaluate_folder(made / "run", source, Options())
    assert found.images == (6, 5)
    assert "truth_l1" not in found.values
    assert [message for message in caplog.messages if "00002.jpg: unknown image format" in message]


def test_inception_weights_add_kid_and_fid(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "source"
    for domain in "AB":
        (source / f"test{domain}").mkdir(parents=True)
        for i in range(2):
            shutil.copy(made / f"source/test{domain}/{i:05}.jpg", source / f"test{domain}")
    weights = write_formula_weights(tmp_path / "weights.pth", formula_weights())
    command = ["--checkpoint", str(made / "run"), str(source), "--features", "inception", "--weights", str(weights)]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()[1:5]] == ["sliced", "KID", "FID", "cycle"]
    assert "is not pt_inception-2015-12-05-6726825d.pth" in printed.err
    line = refused(capsys, *command[:-1], source / "testA/00000.jpg")
    assert ": give pt_inception-2015-12-05-6726825d.pth, " in line
    assert "error: --features = inception needs --weights: give pt_inception" in refused(capsys, *command[:-2])
    assert "has no use without --features inception" in refused(capsys, *command[:3], *command[5:])


def test_pairs_by_name(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "source"
    shutil.copytree(made / "source/testA", source / "testA")
    shutil.copytree(made / "source/truth/AtoB", source / "testB")
    paired, with_truth = (evaluate_folder(made / "run", folder, Options(paired=folder == source)) for folder in (source, made / "source"))
    assert paired.values["truth_l1_B"] == pytest.approx(with_truth.values["truth_l1_B"])
    (source / "testB/00003.png").unlink()
    capsys.readouterr()
    line = refused(capsys, "--checkpoint", made / "run", source, "--paired")
    assert line.startswith(f"error: --paired: {source / 'testA/00003.jpg'} has no partner 00003.* in {source / 'testB'}: add it")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main([str(a) for a in arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("evaluating step")]
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


def test_mistakes_cost_one_line(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, source = made / "run", tmp_path / "source"
    assert "there is no folder" in refused(capsys, "--checkpoint", run, source)
    shutil.copytree(made / "source", source)
    (source / "truth/BtoA/00003.png").unlink()
    assert "truth/BtoA/00003.png is missing" in refused(capsys, "--checkpoint", run, source)
    shutil.rmtree(source / "testB")
    assert "testB: give a folder with testA and testB" in refused(capsys, "--checkpoint", run, source)
    (source / "testB").mkdir()
    assert "testB holds no images" in refused(capsys, "--checkpoint", run, source)
    assert "nowhere does not exist" in refused(capsys, "--checkpoint", made / "nowhere", made / "source")
    assert "does not end with .png" in refused(capsys, "--checkpoint", run, made / "source", "--images", tmp_path / "x.gif")
    assert "give newest or best" in refused(capsys, "--checkpoint", run, made / "source", "--which", "last")


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
        Image.new("RGB", (20, 20)).save(truth)
    else:
        truth.write_bytes(content)
    with pytest.raises(UserError, match=fact):
        evaluate_folder(made / "run", source, Options())
