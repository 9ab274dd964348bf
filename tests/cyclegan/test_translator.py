"""A translator is one direction of `generate`, for pictures of any size."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from cyclegan.config import ModelConfig
from cyclegan.generator import generate, generator_shapes
from cyclegan.layout import Layout
from cyclegan.pixels import to_pixels, to_signed
from cyclegan.trained import DIRECTIONS, Trained
from cyclegan.translator import Translator
from preprocess.decode import BrokenPicture, UInt8
from preprocess.errors import UserError
from tests.cyclegan.made_checkpoint import MODEL, weights

TRAINED = Trained(Path("step-00000010"), 10, MODEL, weights())


def picture(height: int, width: int) -> UInt8:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), np.uint8)


def twin(pixels: UInt8, form: str) -> UInt8:
    """Both translations [2, H, W, 3] by the twin network that training uses."""
    model = MODEL.model_copy(update={"form": form})
    parameters = Layout(generator_shapes(model)).split(tf.constant(TRAINED.weights))
    signed = to_signed(tf.constant(np.stack([pixels, pixels])[:, None]))
    return to_pixels(generate(parameters, signed, model).numpy()[:, 0])


@pytest.mark.parametrize("form", ["plain", "auto"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_it_is_one_direction_of_the_twin(direction: str, form: str) -> None:
    pixels = picture(32, 40)
    got = Translator(TRAINED, direction)(pixels)
    both = twin(pixels, form).astype(int)
    i = DIRECTIONS.index(direction)
    # Another order of the same float32 sums, or Winograd's: where a value lies at half a level, rounding may go either way.
    assert np.abs(got - both[i]).max() <= 1
    assert np.abs(got - both[1 - i]).mean() > 10


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (5, 5), (6, 6), (7, 8), (37, 53), (4, 400), (400, 3), (64, 64)])
def test_output_has_the_size_of_the_input(size: tuple[int, int]) -> None:
    pixels = picture(*size)
    translated = Translator(TRAINED, "AtoB")(pixels)
    assert translated.shape == pixels.shape
    assert translated.dtype == np.uint8


def test_a_picture_is_continued_by_reflection() -> None:
    pixels = picture(30, 41)
    padded = np.concatenate([pixels, pixels[-2:-4:-1]], 0)
    padded = np.concatenate([padded, padded[:, -2:-5:-1]], 1)
    assert padded.shape == (32, 44, 3)
    translate = Translator(TRAINED, "BtoA")
    np.testing.assert_array_equal(translate(pixels), translate(padded)[:30, :41])


def test_more_than_the_memory_is_refused_before_it_is_asked_for() -> None:
    model = ModelConfig(filters=512, blocks=1)
    flat = np.zeros(Layout(generator_shapes(model)).size, np.float16)  # never computed with
    pixels = np.broadcast_to(np.zeros(3, np.uint8), (30000, 30000, 3))  # 15 TB with 512 filters; itself 3 bytes
    with pytest.raises(BrokenPicture, match=r"30000x30000 pixels need about \d+\.\d GiB of memory"):
        Translator(Trained(Path("x"), 1, model, flat), "AtoB")(pixels)


def test_weights_of_other_networks_are_refused() -> None:
    with pytest.raises(UserError, match="holds 17,333 generator weights, but this version's networks of its sizes have 17,334"):
        Translator(Trained(Path("x"), 1, MODEL, weights()[1:]), "AtoB")


def test_other_channels_are_refused() -> None:
    model = MODEL.model_copy(update={"channels_a": 4})
    flat = np.zeros(Layout(generator_shapes(model)).size, np.float32)
    with pytest.raises(UserError, match="pictures of 4 channels"):
        Translator(Trained(Path("x"), 1, model, flat), "AtoB")
