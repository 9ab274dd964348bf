from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.networks.generator import generate
from cyclegan.networks.shapes import generator_shapes
from cyclegan.ops.remat import remat

Arrays = list[npt.NDArray[np.float64]]


def perceptron(x: tf.Tensor, w: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    return tf.tanh(tf.tanh(x @ w) @ v)


def gradients(function: Callable[..., tf.Tensor]) -> Callable[..., list[tf.Tensor]]:
    def both(*arguments: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            y = function(*arguments)
        return [y, *tape.gradient(y, arguments, tf.cos(y))]

    return both


def compiled_products(function: Callable[..., tf.Tensor], arguments: list[tf.Tensor]) -> int:
    """How many matrix products XLA leaves in value and gradient."""
    program = tf.function(gradients(function), jit_compile=True)
    return int(program.experimental_get_compiler_ir(*arguments)(stage="optimized_hlo").count(" dot("))


def test_xla_does_not_undo_it() -> None:
    arguments = [tf.random.stateless_normal([64, 64], [i, 0]) for i in range(3)]
    # Two products forward, four backward; computed again: both, as the last one's value is needed too.
    assert compiled_products(perceptron, arguments) == 6
    assert compiled_products(remat(perceptron), arguments) == 8


def generator_gradients(rematerialize: bool, images: tf.Tensor, parameters: dict[str, tf.Tensor]) -> Arrays:
    config = ModelSpec(filters=20, blocks=2, remat=rematerialize)

    def value(images: tf.Tensor, *values: tf.Tensor) -> tf.Tensor:
        return generate(dict(zip(parameters, values, strict=True)), images, config)

    return [array.numpy() for array in gradients(value)(images, *parameters.values())]


def test_generators_have_the_same_value_and_gradient() -> None:
    random = np.random.default_rng(0)
    shapes = generator_shapes(ModelSpec(filters=20, blocks=2))
    parameters = {name: tf.constant(random.normal(0, 0.05, shape)) for name, shape in shapes.items()}
    images = tf.constant(random.uniform(-1, 1, (2, 1, 32, 32, 3)))
    for plain, again in zip(*(generator_gradients(rematerialize, images, parameters) for rematerialize in (False, True)), strict=True):
        np.testing.assert_allclose(again, plain, rtol=0, atol=1e-12 * np.abs(plain).max())  # float64: same operations, sums regrouped


def test_a_non_finite_gradient_stays_non_finite() -> None:
    x = tf.ones([2, 2])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = remat(perceptron)(x, x, x)
    assert not np.isfinite(tape.gradient(y, x, y * np.inf)).any()
