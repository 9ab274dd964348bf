"""Each augmentation against its definition in the authors' code, image by image; and what of it reaches a whole step."""

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from cyclegan.training.differentiable_augmentation import PARAMETERS, augment

Array = npt.NDArray[np.float64]
RNG = np.random.default_rng(0)
SHAPE = (2, 3, 12, 17, 3)
IMAGES = RNG.uniform(-1, 1, SHAPE)
# With both ends, as far as numbers in [0, 1) reach them.
NUMBERS = {parameter: RNG.uniform(size=(2, 3)) for names in PARAMETERS.values() for parameter in names}
for values in NUMBERS.values():
    values[0, 0], values[1, 0] = 0.0, 1 - 2**-24


def by_definition(kind: str, x: Array, number: dict[str, float]) -> Array:
    """One image [H, W, C]."""
    height, width, _ = x.shape
    if kind == "color":
        x = x + (number["brightness"] - 0.5)
        x = (x - x.mean(-1, keepdims=True)) * (2 * number["saturation"]) + x.mean(-1, keepdims=True)
        return (x - x.mean()) * (number["contrast"] + 0.5) + x.mean()
    if kind == "translation":
        shifts = []
        for side, name in ((height, "down"), (width, "right")):
            most = int(side * 0.125 + 0.5)
            shifts.append(int(number[name] * (2 * most + 1)) - most)
        down, right = shifts
        padded = np.pad(x, ((height, height), (width, width), (0, 0)))
        return padded[height - down : 2 * height - down, width - right : 2 * width - right]
    result = x.copy()
    inside = []
    for side, name in ((height, "cutout row"), (width, "cutout column")):
        length = int(side * 0.5 + 0.5)
        offset = int(number[name] * (side + 1 - length % 2))
        inside.append(np.clip(np.arange(length) + offset - length // 2, 0, side - 1))
    result[np.ix_(*inside)] = 0
    return result


@pytest.mark.parametrize("kind", PARAMETERS)
def test_equals_the_definition(kind: str) -> None:
    ours = augment(tf.constant(IMAGES), (kind,), lambda name: tf.constant(NUMBERS[name])).numpy()
    for direction, image in np.ndindex(2, 3):
        number = {name: float(values[direction, image]) for name, values in NUMBERS.items()}
        np.testing.assert_allclose(ours[direction, image], by_definition(kind, IMAGES[direction, image], number), atol=1e-12)
    assert np.abs(ours - IMAGES).max() > 0.1


def test_kinds_apply_in_order_and_let_gradients_pass() -> None:
    x = tf.constant(IMAGES)

    def uniform(name: str) -> tf.Tensor:
        return tf.constant(NUMBERS[name])

    with tf.GradientTape() as tape:
        tape.watch(x)
        y = augment(x, tuple(PARAMETERS), uniform)
    one = x
    for kind in PARAMETERS:
        one = augment(one, (kind,), uniform)
    np.testing.assert_array_equal(y, one)
    gradient = tape.gradient(y, x).numpy()
    # Every image keeps at least a quarter of its pixels, less what was shifted out.
    assert ((gradient != 0).mean((2, 3, 4)) > 0.3).all()


def test_other_channels_stay_zero() -> None:
    mask = tf.constant(np.array([1.0, 0, 0]).reshape(1, 1, 1, 1, 3).repeat(2, 0))
    grey = IMAGES * mask.numpy()
    y = augment(tf.constant(grey), ("color",), lambda name: tf.constant(NUMBERS[name]), mask).numpy()
    alone = augment(tf.constant(grey[..., :1]), ("color",), lambda name: tf.constant(NUMBERS[name])).numpy()
    np.testing.assert_allclose(y[..., :1], alone, atol=1e-12)
    assert not y[..., 1:].any()
