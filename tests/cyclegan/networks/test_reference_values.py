"""Kinds of networks and norms against PyTorch's results and gradients, which `reference_values.py` made; and their initial values."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from cyclegan.config import ModelSpec
from cyclegan.networks.discriminator import discriminate
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.generator import generate
from cyclegan.networks.initial_values import initial_values
from cyclegan.networks.shapes import discriminator_shapes, generator_shapes, spectral_shapes
from cyclegan.networks.spectral_norm import divided, iterated
from ringcycle.errors import UserError

VALUES = np.load(Path(__file__).with_name("reference_values.npz"))
Parameters = dict[str, tf.Tensor]
NORMS = ["instance", "batch", "none"]


def spec(**options: Any) -> ModelSpec:
    return ModelSpec(filters=4, blocks=1, discriminator_filters=4, **options)


GENERATORS = {
    "resnet batch": spec(norm="batch"),
    "resnet none": spec(norm="none"),
    "resnet instance resize": spec(upsample="resize"),
    **{f"unet {norm}": spec(generator="unet", unet_depth=5, norm=norm) for norm in NORMS},
    "unet instance 3": spec(generator="unet", unet_depth=3),
}
DISCRIMINATORS = {
    **{f"n_layers {layers} instance": spec(discriminator="n_layers", discriminator_layers=layers) for layers in (1, 2, 4)},
    "n_layers 3 batch": spec(norm="batch"),
    "n_layers 3 none": spec(norm="none"),
    **{f"pixel {norm}": spec(discriminator="pixel", norm=norm) for norm in NORMS},
    "spectral": spec(spectral_norm=True),
}


def drawn(shapes: dict[str, tuple[int, ...]], transposed: frozenset[str] = frozenset()) -> Parameters:
    """Parameters of one direction, `[1, …]`, as `set_parameters` draws them: in PyTorch's shapes."""
    random, result = np.random.RandomState(0), {}
    for name, (_, *shape) in shapes.items():
        if len(shape) == 1:
            value = random.normal(0, 0.2, shape)
        elif name in transposed:
            value = random.normal(0, 0.2, (shape[2], shape[3], *shape[:2])).transpose(2, 3, 0, 1)
        else:
            value = random.normal(0, 0.2, (shape[3], shape[2], *shape[:2])).transpose(2, 3, 1, 0)
        result[name] = tf.constant(value[None])
    return result


def images_of(name: str) -> tf.Tensor:
    side = int(VALUES[f"{name}: side"])
    return tf.constant(np.random.RandomState(1).uniform(-1, 1, (2, 3, side, side)).transpose(0, 2, 3, 1)[None])


def check(name: str, network: Any, tolerance: float = 1e-6) -> None:
    x = images_of(name)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = network(x)
        loss = tf.reduce_sum(tf.sin(3 * y))
    for ours, theirs in ((y, VALUES[f"{name}: result"]), (tape.gradient(loss, x), VALUES[f"{name}: gradient"])):
        ours = ours[0, :, ::3, ::3]
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() < tolerance * np.abs(theirs).max()


@pytest.mark.parametrize("convolution", ["auto", "plain"])
@pytest.mark.parametrize("name", GENERATORS)
def test_generators_equal_pytorchs(name: str, convolution: str) -> None:
    model = GENERATORS[name].model_copy(update={"convolution": convolution})
    parameters = drawn(generator_shapes(model), initial_values(model).transposed)
    check(name, lambda images: generate(parameters, images, model))


@pytest.mark.parametrize("convolution", ["auto", "plain"])
@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_discriminators_equal_pytorchs(name: str, convolution: str) -> None:
    model = DISCRIMINATORS[name].model_copy(update={"convolution": convolution})
    parameters = drawn(discriminator_shapes(model))
    if model.spectral_norm:
        vectors = {name: tf.ones(shape[1:], tf.float64)[None] / shape[-1] ** 0.5 for name, shape in spectral_shapes(model).items()}
        parameters = divided(parameters, vectors)
    check(name, lambda images: discriminate(parameters, images, model))


@pytest.mark.parametrize("name", ["resnet batch", "unet batch"])
def test_alone_an_image_does_not_depend_on_its_batch(name: str) -> None:
    model = GENERATORS[name]
    parameters = drawn(generator_shapes(model), initial_values(model).transposed)
    x = images_of(name)
    together = generate(parameters, x, model, alone=True)
    for i in range(x.shape[1]):
        # A batch of one image has its statistics.
        np.testing.assert_allclose(generate(parameters, x[:, i : i + 1], model), together[:, i : i + 1], atol=1e-12)
    assert np.abs(generate(parameters, x, model) - together).max() > 0.01


@pytest.mark.parametrize("norm", NORMS)
def test_parameters_are_as_many_as_in_the_reference(norm: str) -> None:
    def count(shapes: dict[str, tuple[int, ...]]) -> int:
        return sum(int(np.prod(shape[1:])) for shape in shapes.values())

    for generator in ("resnet", "unet_128", "unet_256"):
        assert count(generator_shapes(ModelSpec(norm=norm, generator=generator))) == VALUES[f"parameters of {generator} {norm}"]
    for discriminator in ("basic", "n_layers 5", "pixel"):
        model = ModelSpec(norm=norm, discriminator=discriminator.split()[0], discriminator_layers=5)
        assert count(discriminator_shapes(model)) == VALUES[f"parameters of {discriminator} {norm}"]
    # The numbers that the reference code prints for its defaults of pix2pix.
    assert VALUES["parameters of unet_256 batch"] == 54_413_955


def test_power_iterations_find_the_spectral_norm() -> None:
    kernel = np.random.default_rng(0).normal(size=(2, 4, 4, 8, 16))
    vectors = {"C/kernel": tf.ones((2, 16), tf.float64)}
    for _ in range(200):
        vectors = iterated({"C/kernel": tf.constant(kernel)}, vectors)
    result = divided({"C/kernel": tf.constant(kernel), "C/bias": tf.ones((2, 16), tf.float64)}, vectors)
    norms = [np.linalg.norm(direction.reshape(-1, 16), 2) for direction in kernel]
    np.testing.assert_allclose(result["C/kernel"], kernel / np.reshape(norms, (2, 1, 1, 1, 1)), rtol=1e-6)
    np.testing.assert_array_equal(result["C/bias"], np.ones((2, 16)))


KERNELS = {"d128/kernel": (2, 3, 3, 64, 128), "u64/kernel": (2, 3, 3, 128, 64)}  # the second one is transposed


@pytest.mark.parametrize(
    ("init", "deviations"),
    [
        ("normal", {"d128/kernel": 0.5, "u64/kernel": 0.5}),
        ("xavier", dict.fromkeys(KERNELS, 0.5 * (2 / (9 * 192)) ** 0.5)),
        ("kaiming", {"d128/kernel": (2 / (9 * 64)) ** 0.5, "u64/kernel": (2 / (9 * 64)) ** 0.5}),
        ("orthogonal", {"d128/kernel": 0.5 / (9 * 64) ** 0.5, "u64/kernel": 0.5 / (9 * 64) ** 0.5}),
    ],
)
def test_initial_kernels_have_the_deviations_of_pytorchs(init: str, deviations: dict[str, float]) -> None:
    values = initial_values(ModelSpec(init=init, init_gain=0.5, norm="batch"))
    for name, shape in KERNELS.items():
        kernel = values(3, name, shape)
        assert kernel.std() == pytest.approx(deviations[name], rel=0.01)
        np.testing.assert_array_equal(kernel, values(3, name, shape))
        assert not np.array_equal(kernel, values(4, name, shape))
    scale = values(3, "d128/scale", (2, 4096))
    assert scale.mean() == pytest.approx(1, abs=0.03) and scale.std() == pytest.approx(0.5, rel=0.05)
    assert not values(3, "d128/shift", (2, 8)).any() and not values(3, "R256.0/shift1", (2, 8)).any()


@pytest.mark.parametrize(("name", "rows"), [("d128/kernel", (3, 0, 1, 2)), ("u64/kernel", (2, 0, 1, 3))])
def test_orthogonal_kernels_are_orthogonal(name: str, rows: tuple[int, ...]) -> None:
    for kernel in initial_values(ModelSpec(init="orthogonal", init_gain=2))(0, name, KERNELS[name]):
        matrix = kernel.transpose(rows).reshape(kernel.shape[rows[0]], -1)
        np.testing.assert_allclose(matrix @ matrix.T, 4 * np.eye(len(matrix)), atol=1e-12)


def test_default_values_are_those_of_earlier_versions() -> None:
    shapes = {"C64/kernel": (2, 4, 4, 3, 8), "C64/bias": (2, 8)}
    model = ModelSpec()
    np.testing.assert_array_equal(FlatParameters(shapes).initial(5), FlatParameters(shapes, values=initial_values(model)).initial(5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"generator": "unet", "upsample": "resize"}, "model.upsample = resize, which model.generator = unet does not have: use"),
        ({"generator": "unet_128", "remat": True}, "model.remat = true, which model.generator = unet_128 does not have: use"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValidationError, UserError), match=message):
        ModelSpec(**options)
