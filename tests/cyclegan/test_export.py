"""Each file computes what the translator computes, in its own runtime, at any size and batch; each mistake costs one line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan.config import ModelSpec
from cyclegan.export import main
from cyclegan.exporting import formats
from cyclegan.exporting.formats import load
from cyclegan.inference.generator_checkpoint import read_generators
from cyclegan.inference.loading import load_translator
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.shapes import generator_shapes
from tests.cyclegan.made_checkpoint import write_checkpoint

MODEL = ModelSpec(filters=4, blocks=1, discriminator_filters=4, channels_a=3, channels_b=1)
TRAINED = {"data": {"preprocess": "resize_and_crop", "load_size": 24, "crop_size": 24}}
NAMES = {"savedmodel": "generator", "onnx": "generator.onnx", "tflite": "generator.tflite"}
SIZES = ((2, 28, 24), (1, 21, 35), (3, 5, 5))
"""Batch, height and width: multiples of 4, others, and the smallest."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    flat = np.random.default_rng(0).normal(0, 0.2, FlatParameters(generator_shapes(MODEL)).size).astype(np.float32)
    write_checkpoint(tmp_path / "run", model=MODEL, flat=flat, fields=TRAINED)
    return tmp_path / "run"


def export(*arguments: str | Path) -> int:
    return main([str(a) for a in arguments])


def signed(pixels: np.ndarray) -> np.ndarray:
    return (pixels / 32767.5 - 1).astype(np.float32)


@pytest.mark.parametrize(("name", "direction"), [("savedmodel", "AtoB"), ("onnx", "AtoB"), ("onnx", "BtoA"), ("tflite", "BtoA")])
def test_files_compute_the_same_at_any_size(name: str, direction: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = run.parent / "out" / NAMES[name]
    assert export(run, output, "--format", name, "--direction", direction) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = printed.out.splitlines()
    taken, made = MODEL.channels_of(direction)
    first, last = (f"[batch, {c}, height, width]" if name == "onnx" else f"[batch, height, width, {c}]" for c in (taken, made))
    assert lines[0].startswith(f"{output}: ") and lines[0].endswith(f"KB, {direction}, step 10 of {run}/checkpoints/step-00000010")
    assert lines[1].startswith("checked on batches of 24x24 and 21x23 pixels: results differ by ") and lines[1].endswith("e-05 at most")
    assert lines[2] == f"input image: float32 {first}, pixels / 127.5 - 1, in [-1, 1]; any batch, sides of 5 pixels or more"
    assert lines[3] == f"output translated: float32 {last}, the same size, in [-1, 1]; pixels are (x + 1) * 127.5"
    assert lines[4].startswith("in Python: ") and str(output) in lines[4] and "{" not in lines[4].replace('{"image": x}', "")
    assert [path.name for path in output.parent.iterdir()] == [output.name]
    compute, translate = load(name, output), load_translator(read_generators(run), direction)
    for size in SIZES:
        pixels = np.random.default_rng(1).integers(0, 65536, (*size, taken)).astype(np.uint16)
        expected = signed(np.stack([translate(image) for image in pixels]))
        assert np.std(expected) > 0.1
        np.testing.assert_allclose(compute(signed(pixels)), expected, rtol=0, atol=1e-3)


def test_an_image_of_the_users(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = run.parent / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)).save(image)
    given = ("--format", "onnx", "--direction", "AtoB", "--image", image)
    assert export(run, run.parent / "a.onnx", *given) == 0
    assert "checked on batches of 24x24 and 21x23 pixels" in capsys.readouterr().out
    write_checkpoint(run, 11, model=MODEL, flat=read_generators(run).weights)  # names no preparation: images as they are
    assert export(run, run.parent / "b.onnx", *given) == 0
    assert "checked on batches of 40x30 and 37x29 pixels" in capsys.readouterr().out
    Image.new("L", (40, 7)).save(image)
    assert export(run, run.parent / "c.onnx", *given) == 2
    assert capsys.readouterr().err == f"error: --image = {image} has 40x7 pixels: give one with 8 or more on each side\n"


def test_mistakes_cost_one_line(run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(output: Path, name: str, *arguments: str | Path) -> str:
        assert export(run, output, "--format", name, *(arguments or ("--direction", "AtoB"))) == 2
        printed = capsys.readouterr()
        assert printed.out == "" and printed.err.count("\n") == 1
        return printed.err.removeprefix("error: ").removesuffix("\n")

    out = run.parent / "out"
    fact = f"OUTPUT = {out} does not end with .tflite, as files of --format = tflite do: give a name that does"
    assert refused(out, "tflite") == fact
    assert refused(run, "savedmodel") == f"OUTPUT = {run} exists already: give another name, or delete it"
    there = "there is no such direction: give AtoB or BtoA"
    assert refused(out, "savedmodel", "--direction", "AtoC") == f"--direction = AtoC: {there}"
    assert refused(out, "savedmodel", "--direction", "AtoB", "--image", out).startswith(f"--image = {out} cannot be read: ")
    (run.parent / "file").write_text("")
    below = run.parent / "file/out"
    assert refused(below, "savedmodel") == f"OUTPUT = {below} cannot be written (File exists): give another one"
    monkeypatch.setattr(formats, "find_spec", lambda _: None)
    assert refused(out.with_suffix(".onnx"), "onnx") == "--format = onnx needs onnx and onnxruntime: pip install onnx onnxruntime"
    assert refused(out.with_suffix(".tflite"), "tflite") == "--format = tflite needs ai-edge-litert: pip install ai-edge-litert"
    assert not out.exists()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "options",
    [{"upsample": "resize", "norm": "none"}, {"norm": "batch"}, {"generator": "unet", "unet_depth": 3}],
    ids=["resize, no norm", "batch norm", "unet"],
)
def test_other_networks(options: dict[str, object], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = MODEL.model_copy(update=options)
    flat = np.random.default_rng(0).normal(0, 0.2, FlatParameters(generator_shapes(model)).size).astype(np.float32)
    write_checkpoint(tmp_path / "run", model=model, flat=flat, fields=TRAINED)
    output = tmp_path / NAMES[name]
    assert export(tmp_path / "run", output, "--format", name, "--direction", "AtoB") == 0, capsys.readouterr().err
    compute, translate = load(name, output), load_translator(read_generators(tmp_path / "run"), "AtoB")
    for size in ((2, 24, 32), (1, 21, 35)):
        pixels = np.random.default_rng(1).integers(0, 65536, (*size, 3)).astype(np.uint16)
        expected = signed(np.stack([translate(image) for image in pixels]))
        assert np.std(expected) > 0.05
        np.testing.assert_allclose(compute(signed(pixels)), expected, rtol=0, atol=1e-3)
