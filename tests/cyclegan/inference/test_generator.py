"""`cyclegan.load`: images in, images of the same type out; the examples of the page run as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cyclegan
from cyclegan.config import ModelSpec
from cyclegan.inference.generator_checkpoint import read_generators
from cyclegan.inference.loading import load_translator
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.shapes import generator_shapes
from ringcycle.errors import UserError
from tests.cyclegan.made_checkpoint import write_checkpoint

ROOT = Path(__file__).parents[3]
TRAINED = {"data": {"preprocess": "resize_and_crop", "load_size": 16, "crop_size": 12}}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_checkpoint(folder, fields=TRAINED)
    return folder


def pixels(height: int = 20, width: int = 24, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def test_arrays_and_pillow_images_give_the_same_pixels(run: Path) -> None:
    generator = cyclegan.load(run, "BtoA", scale="native")
    wanted = load_translator(read_generators(run), "BtoA")(pixels())
    array = generator.translate(pixels())
    np.testing.assert_array_equal(array, wanted)
    image = generator.translate(Image.fromarray(pixels()))
    assert (type(image), image.mode) == (Image.Image, "RGB")
    np.testing.assert_array_equal(np.asarray(image), wanted)
    assert (generator.direction, generator.step, generator.channels) == ("BtoA", 10, (3, 3))
    assert generator.checkpoint == str(run / "checkpoints/step-00000010")


def test_sizes_depths_and_batches(run: Path) -> None:
    assert cyclegan.load(run).translate(pixels(20, 40)).shape == (16, 32, 3)
    generator = cyclegan.load(run, scale=8, restore_size=True)
    small, large = generator.translate_batch([pixels(9, 9), pixels(30, 20)])
    assert (small.shape, large.shape) == ((9, 9, 3), (30, 20, 3))
    assert generator.translate(pixels().astype(np.uint16) * 257).dtype == np.uint16
    palette = Image.fromarray(pixels()).convert("P")
    assert generator.translate(palette).mode == "RGB"


def test_grey_in_and_colour_out(tmp_path: Path) -> None:
    model = ModelSpec(filters=4, blocks=1, discriminator_filters=4, channels_a=1, channels_b=3)
    flat = np.random.default_rng(0).normal(0, 0.2, FlatParameters(generator_shapes(model)).size).astype(np.float32)
    write_checkpoint(tmp_path, model=model, flat=flat)
    there, back = cyclegan.load(tmp_path, "AtoB"), cyclegan.load(tmp_path, "BtoA")
    assert there.translate(pixels()[..., 0]).shape == (20, 24, 3)
    assert there.translate(Image.fromarray(pixels())).mode == "RGB"
    assert back.translate(pixels()).shape == (20, 24)
    assert back.translate(Image.fromarray(pixels())).mode == "L"


def test_mistakes(run: Path, tmp_path: Path) -> None:
    for arguments, line in (
        ((tmp_path / "nowhere",), f"run = {tmp_path / 'nowhere'} does not exist"),
        ((run, "AtoC"), "direction = AtoC: there is no such direction: give AtoB or BtoA"),
    ):
        with pytest.raises(UserError) as error:
            cyclegan.load(*arguments)  # type: ignore[arg-type]
        assert str(error.value).startswith(line)
    generator = cyclegan.load(run)
    with pytest.raises(ValueError, match=r"an array of shape \[20, 24, 4\], but this generator takes \[H, W, 3\]"):
        generator.translate(pixels(channels=4))
    with pytest.raises(TypeError, match="an array of float32 is no image here"):
        generator.translate(pixels().astype(np.float32))
    with pytest.raises(TypeError, match="str is no image here"):
        generator.translate("portrait.jpg")  # type: ignore[type-var]


def test_importing_it_is_quick_and_the_page_runs(run: Path, tmp_path: Path) -> None:
    """From any folder."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/mine").symlink_to(run)
    Image.fromarray(pixels(40, 30)).save(tmp_path / "portrait.jpg")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/translate.md").read_text(), re.DOTALL)
    assert len(blocks) == 3
    light = "import sys, cyclegan\nassert not {'tensorflow', 'numpy', 'ray'} & set(sys.modules)\n"
    done = subprocess.run(
        [sys.executable, "-c", light + "\n".join(blocks)], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("AtoB 10 runs/mine/checkpoints/step-00000010\n", "")
    with Image.open(tmp_path / "translated-1.png") as image:
        assert image.size == (16, 21)
