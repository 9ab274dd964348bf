"""Images are translated at the size that training gave them, or at any other; results keep their proportions."""

import numpy as np
import pytest

from cyclegan.inference.scale import Preparation, Scale, read_scale
from preprocess.images.resize import square
from ringcycle.errors import UserError

SQUARE = Preparation(preprocess="resize_and_crop", load_size=20, crop_size=16)
WIDE = Preparation(preprocess="scale_width_and_crop", load_size=20, crop_size=16)
CROP = Preparation(preprocess="crop", load_size=20, crop_size=16)
RECTANGLE = Preparation(preprocess="resize_and_crop", load_size=(24, 48), crop_size=(20, 40))
LOW = Preparation(preprocess="scale_width_and_crop", load_size=48, crop_size=(20, 40))


def image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("scale", "trained", "scaled", "restored", "said"),
    [
        (Scale(), SQUARE, (20, 20), (20, 30), "at the trained scale, 20x20"),
        (Scale(restore=True), SQUARE, (20, 20), (40, 60), "at the trained scale, 20x20"),
        (Scale(), WIDE, (16, 20), (16, 24), "at the trained scale, 20 pixels wide"),  # as low as a crop, so not in proportion
        (Scale(), RECTANGLE, (24, 48), (32, 48), "at the trained scale, 48x24"),
        (Scale(restore=True), RECTANGLE, (24, 48), (40, 60), "at the trained scale, 48x24"),
        (Scale(), LOW, (32, 48), (32, 48), "at the trained scale, 48 pixels wide"),
        (Scale(), CROP, (40, 60), (40, 60), "at native scale, as trained"),
        (Scale(), None, (40, 60), (40, 60), "at native scale, as the checkpoint names no other"),
        (Scale("native"), SQUARE, (40, 60), (40, 60), "at native scale"),
        (Scale(80), SQUARE, (80, 120), (80, 120), "with 80 pixels on the shorter side"),
        (Scale(80, restore=True), SQUARE, (80, 120), (40, 60), "with 80 pixels on the shorter side"),
    ],
)
def test_sizes(scale: Scale, trained: Preparation | None, scaled: tuple[int, int], restored: tuple[int, int], said: str) -> None:
    given = scale.scaled(image(40, 60), trained)
    assert given.shape == (*scaled, 3)
    assert scale.restored(given, 40, 60).shape == (*restored, 3)
    assert scale.describe(trained) == said


@pytest.mark.parametrize(
    ("scale", "trained", "size"),
    [
        (Scale(), SQUARE, (20, 20)),
        (Scale(restore=True), RECTANGLE, (24, 48)),
        (Scale(), WIDE, None),
        (Scale(), CROP, None),
        (Scale(), None, None),
        (Scale("native"), SQUARE, None),
        (Scale(80), SQUARE, None),
    ],
)
def test_the_size_at_which_all_images_are_translated(scale: Scale, trained: Preparation | None, size: tuple[int, int] | None) -> None:
    assert scale.only_size(trained) == size
    if size:
        assert {scale.scaled_size(height, width, trained) for height, width in ((1, 1), (40, 60), (9, 2000))} == {size}


def test_the_trained_scale_gives_the_pixels_of_the_shards() -> None:
    np.testing.assert_array_equal(Scale().scaled(image(40, 60), SQUARE), square(image(40, 60), 20))


def test_an_image_of_one_line_keeps_a_line() -> None:
    assert Scale(restore=False).restored(image(20, 20), 1, 1000).shape == (20, 20_000, 3)
    assert Scale(8).scaled(image(1000, 1), None).shape == (8000, 8, 3)


def test_the_configuration_of_a_checkpoint_names_the_scale() -> None:
    fields = {"preprocess": "scale_width", "load_size": 20, "crop_size": 20, "source": "s"}
    assert Preparation.of({"data": fields}) == Preparation(preprocess="scale_width", load_size=20, crop_size=20)
    rectangle = {"preprocess": "resize_and_crop", "load_size": [24, 48], "crop_size": [20, 40]}  # as JSON has it
    assert Preparation.of({"data": rectangle}) == RECTANGLE
    assert Preparation.of({"data": {"load_size": 20}}) is None
    assert Preparation.of({}) is None


@pytest.mark.parametrize("given", ["7", "100001", "-8", "big", "", "12.5", "²"])
def test_mistakes(given: str) -> None:
    with pytest.raises(
        UserError, match=r"^--scale = .*: give trained, native, or the pixels of the shorter side, a number from 8 to 100,000$"
    ):
        read_scale(given)
    assert read_scale("64") == Scale(64)
    assert read_scale("native", restore=True) == Scale("native", restore=True)
