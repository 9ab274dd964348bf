"""A file that computes something else is noticed."""

from dataclasses import replace

import numpy as np

from cyclegan.exporting.comparison import BOUND, compare, drawn_image
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.scale import Preparation
from tests.cyclegan.made_checkpoint import MODEL, weights

TRAINED = GeneratorCheckpoint("folder", 1, MODEL, weights())


def test_differences_are_found_in_either_image_of_a_batch() -> None:
    image = drawn_image(TRAINED, 3)
    assert compare(lambda images: images, lambda pixels: pixels, image).difference < 1e-6
    for index in range(2):

        def off(images: np.ndarray, index: int = index) -> np.ndarray:
            changed = images.copy()
            changed[index, -1, -1, 0] += 2 * BOUND
            return changed

        assert BOUND < compare(off, lambda pixels: pixels, image).difference < 3 * BOUND


def test_a_result_of_another_size_is_no_result() -> None:
    found = compare(lambda images: images[:, :-1], lambda pixels: pixels, drawn_image(TRAINED, 3))
    assert found.difference == float("inf")
    nothing = compare(lambda images: np.full_like(images, np.nan), lambda pixels: pixels, drawn_image(TRAINED, 3))
    assert not nothing.difference <= BOUND


def test_the_drawn_image_is_at_the_trained_scale() -> None:
    preparation = Preparation(preprocess="resize_and_crop", load_size=32, crop_size=24)
    for channels in (1, 3, 5):
        image = drawn_image(replace(TRAINED, preparation=preparation), channels)
        assert image.shape == (32, 32, channels) and image.dtype == np.uint16 and np.std(image) > 2000
    assert drawn_image(TRAINED, 3).shape == (72, 72, 3)
    unet = replace(TRAINED, model=MODEL.model_copy(update={"generator": "unet_256"}))
    for preparation in (None, Preparation(preprocess="resize_and_crop", load_size=32, crop_size=24)):
        assert drawn_image(replace(unet, preparation=preparation), 3).shape == (132, 132, 3)  # reflection makes 256 of 129
