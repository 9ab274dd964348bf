"""A program translates a batch as a translator does image by image, but for rounding; the next process compiles nothing."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cyclegan.config import ModelSpec
from cyclegan.inference.batch_translator import BatchTranslator
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.translation_plan import Shape
from cyclegan.inference.translator import Translator
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.shapes import generator_shapes
from preprocess.images.decode import BrokenImage, ImageArray
from tests.ray_nodes import ROOT

FAST = ModelSpec(filters=20, blocks=1)  # enough channels for the fast convolutions


def trained(model: ModelSpec) -> GeneratorCheckpoint:
    flat = FlatParameters(generator_shapes(model)).initial(3) * 4  # strong colours
    return GeneratorCheckpoint("step-00000010", 10, model, flat)


def image(height: int, width: int, channels: int = 3, dtype: type = np.uint8) -> ImageArray:
    return np.random.default_rng(height * width).integers(0, np.iinfo(dtype).max + 1, (height, width, channels)).astype(dtype)


@pytest.mark.parametrize(
    ("model", "dtype", "made"),
    [
        (FAST.model_copy(update={"channels_b": 1}), np.uint8, np.uint8),
        (FAST.model_copy(update={"filters": 4, "channels_a": 2, "convolution": "plain"}), np.uint16, np.uint16),
    ],
)
@pytest.mark.usefixtures("own_compile_cache")
def test_a_batch_equals_single_images(model: ModelSpec, dtype: type, made: type) -> None:
    taken = model.channels_a
    images = [image(24, 32, taken, dtype), image(22, 29, taken, dtype), image(16, 16, taken, dtype)]  # the last one does not fit
    shape = Shape(4, 24, 32, 8 * images[0].itemsize)
    results = BatchTranslator(trained(model), "AtoB", [shape])(images, shape)
    alone = Translator(trained(model), "AtoB")
    for result, given in zip(results, images, strict=True):
        expected = alone(given)
        assert isinstance(result, np.ndarray)
        assert result.shape == expected.shape and result.dtype == expected.dtype == made
        # 1e-4 of the range, and one level for a value half way between two.
        assert np.abs(result.astype(int) - expected).max() <= 1e-4 * np.iinfo(made).max + 1
        assert expected.std() > 0.05 * np.iinfo(made).max
    np.testing.assert_array_equal(results[2], alone(images[2]))


def test_an_image_that_fits_no_memory_does_not_lose_its_batch() -> None:
    endless = np.broadcast_to(np.zeros(3, np.uint8), (200_000, 200_000, 3))
    broken, good = BatchTranslator(trained(FAST), "AtoB", [])([endless, image(8, 8)], None)
    assert isinstance(broken, BrokenImage) and "of files in" in str(broken)
    assert isinstance(good, np.ndarray)


TRANSLATE = """
import sys
from cyclegan.inference.loading import load_batch_translator
from cyclegan.inference.translation_plan import Shape
from tests.cyclegan.inference.test_batch_translator import FAST, image, trained
shapes = [Shape(2, 16, 16, 8), Shape(1, 16, 24, 8)]
translate = load_batch_translator(trained(FAST), sys.argv[1], shapes)
for shape in shapes[:: int(sys.argv[2])]:
    translate([image(shape.height, shape.width)], shape)
"""


@pytest.mark.process
@pytest.mark.usefixtures("own_compile_cache")
def test_a_program_is_compiled_once_for_all_processes_weights_and_directions(tmp_path: Path) -> None:
    def programs(*arguments: str) -> list[tuple[str, int]]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", TRANSLATE, *arguments], env=environment, check=True, capture_output=True)
        return sorted((file.name, file.stat().st_mtime_ns) for file in tmp_path.glob("ringcycle/tensorflow-*/*.pb"))

    first = programs("AtoB", "1")
    assert len(first) == 2
    assert programs("BtoA", "-1") == first
