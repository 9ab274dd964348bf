import numpy as np
import pytest
import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.networks.dropout import Dropout
from cyclegan.networks.generator import generate
from cyclegan.networks.initial_values import initial_values
from cyclegan.networks.shapes import generator_shapes

SEEDS = tf.constant([[5, 6], [7, 2**24 - 1]])
ONES = tf.ones([2, 2, 40, 30, 8])


def test_drops_its_share_and_keeps_the_mean() -> None:
    y = Dropout(0.25, SEEDS)(ONES).numpy()
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    dropped = (y == 0).mean((2, 3, 4))
    np.testing.assert_allclose(dropped, 0.25, atol=5 * (0.25 * 0.75 / 9600) ** 0.5)


def test_masks_depend_on_the_seed_and_the_call_only() -> None:
    dropout = Dropout(0.5, SEEDS)
    first, second = dropout(ONES).numpy(), dropout(ONES).numpy()
    again = Dropout(0.5, SEEDS)
    np.testing.assert_array_equal(first, again(ONES))
    masks = [mask for call in (first, second) for direction in call for mask in direction]
    assert all((one != other).mean() > 0.4 for i, one in enumerate(masks) for other in masks[:i])
    alone = Dropout(0.5, SEEDS[:, 1:])  # as another worker would have it
    np.testing.assert_array_equal(alone(ONES[:, 1:]), first[:, 1:])


def test_compiled_masks_are_the_same() -> None:
    compiled = tf.function(lambda seeds: Dropout(0.5, seeds)(ONES), jit_compile=True)
    np.testing.assert_array_equal(compiled(SEEDS), Dropout(0.5, SEEDS)(ONES))


@pytest.mark.parametrize(
    ("options", "calls"), [({"blocks": 3}, 3), ({"generator": "unet", "unet_depth": 5}, 0), ({"generator": "unet", "unet_depth": 7}, 2)]
)
def test_layers_with_dropout_are_those_of_the_reference(options: dict[str, object], calls: int) -> None:
    model = ModelSpec.model_validate({"filters": 4, "blocks": 1, "convolution": "plain", **options})
    values = initial_values(model)
    parameters = {name: tf.constant(values(0, name, shape), tf.float32) for name, shape in generator_shapes(model).items()}
    count = []

    class Counted(Dropout):
        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            count.append(x.shape)
            return super().__call__(x)

    generate(parameters, tf.zeros([2, 1, model.smallest, model.smallest * 2, 3]), model, dropout=Counted(0.5, SEEDS[:, :1]))
    assert len(count) == calls
