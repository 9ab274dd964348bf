"""Strips give what the whole image gives, wherever they are cut."""

import os
import resource
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.inference.strip_plan import OVERHEAD, plan_strips
from cyclegan.inference.strips import StripGenerator
from cyclegan.networks.generator import generate
from cyclegan.networks.generator_layers import generator_parts
from cyclegan.training.pixels import to_signed
from preprocess.images.decode import ImageArray

RNG = np.random.default_rng(0)
MODEL = ModelSpec(filters=4, blocks=1, convolution="plain")
SMALLEST, SEVERAL = 0, OVERHEAD + 50_000  # bytes: strips of one or two rows, and of some more


def parameters_of(model: ModelSpec) -> dict[str, tf.Tensor]:
    """Of one direction; large enough for strong colours."""
    shapes = {name: shape for part in generator_parts(model) for name, shape in part.shapes.items()}
    return {name: tf.constant(RNG.normal(0, 0.2, (1, *shape[1:])), tf.float32) for name, shape in shapes.items()}


def image(height: int, width: int, channels: int = 3, dtype: type[np.uint8] | type[np.uint16] = np.uint8) -> ImageArray:
    """Smooth, with noise: the layers at a quarter of the size see more than the noise."""
    y, x = np.mgrid[:height, :width, :channels][:2]
    shades = np.sin(x / 7 + y / 11) + RNG.uniform(-0.5, 0.5, (height, width, channels))
    return ((shades / 3 + 0.5) * np.iinfo(dtype).max).astype(dtype)


def whole(parameters: dict[str, tf.Tensor], pixels: ImageArray, model: ModelSpec) -> np.ndarray:
    """All channels, in [-1, 1]."""
    signed = np.zeros((*pixels.shape[:2], model.channels), np.float32)
    signed[..., : pixels.shape[2]] = to_signed(tf.constant(pixels))
    result: np.ndarray = generate(parameters, tf.constant(signed)[None, None], model)[0, 0].numpy()
    return result


@pytest.mark.parametrize("memory", [SMALLEST, SEVERAL])
@pytest.mark.parametrize(
    ("height", "width", "a", "b", "dtype"),
    [(8, 8, 3, 3, np.uint8), (16, 20, 1, 1, np.uint16), (20, 24, 1, 3, np.uint8), (28, 12, 3, 1, np.uint16), (12, 16, 5, 4, np.uint8)],
)
def test_strips_equal_the_whole_image(
    height: int, width: int, a: int, b: int, dtype: type[np.uint8] | type[np.uint16], memory: int, tmp_path: Path
) -> None:
    model = MODEL.model_copy(update={"channels_a": a, "channels_b": b})
    parts, parameters = generator_parts(model), parameters_of(model)
    pixels = image(height, width, a, dtype)
    result = np.zeros((height - 1, width - 3, b), np.uint16)  # as if it had been continued to this size
    plan = plan_strips(parts, height, width, memory)
    StripGenerator(parameters, parts, plan.strips, tmp_path).generate(pixels, result, lambda: None)
    expected = whole(parameters, pixels, model)[:-1, :-3, :b]
    assert np.std(expected) > 0.1
    # 1e-5 of the range, and half a level of rounding to 16 bits.
    assert np.abs(result / 32767.5 - 1 - expected).max() < 2e-5 + 0.5 / 32767.5


@pytest.mark.parametrize("memory", [SMALLEST, SEVERAL])
@pytest.mark.parametrize("options", [{"norm": "batch"}, {"norm": "none"}, {"upsample": "resize"}])
def test_strips_of_other_layers_equal_the_whole_image(options: dict[str, str], memory: int, tmp_path: Path) -> None:
    model = ModelSpec(filters=4, blocks=1, convolution="plain", **options)
    parts, parameters, pixels = generator_parts(model), parameters_of(model), image(28, 20)
    result = np.zeros((28, 20, 3), np.uint16)
    StripGenerator(parameters, parts, plan_strips(parts, 28, 20, memory).strips, tmp_path).generate(pixels, result, lambda: None)
    expected = whole(parameters, pixels, model)
    assert np.std(expected) > 0.1
    assert np.abs(result / 32767.5 - 1 - expected).max() < 2e-5 + 0.5 / 32767.5


def test_files_take_the_planned_space_and_are_closed(tmp_path: Path) -> None:
    parts = generator_parts(MODEL)
    plan = plan_strips(parts, 20, 16, SEVERAL)
    sizes = []

    def measure() -> None:
        sizes.append(sum(os.fstat(descriptor).st_size for descriptor in open_files(tmp_path)))

    StripGenerator(parameters_of(MODEL), parts, plan.strips, tmp_path).generate(image(20, 16), np.empty((20, 16, 3), np.uint8), measure)
    assert len(sizes) == plan.count and max(sizes) == plan.disk
    assert open_files(tmp_path) == []


def test_a_full_disk_is_an_error_that_leaves_no_file(tmp_path: Path) -> None:
    parts = generator_parts(MODEL)
    plan = plan_strips(parts, 20, 16, SEVERAL)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            StripGenerator(parameters_of(MODEL), parts, plan.strips, tmp_path).generate(
                image(20, 16), np.empty((20, 16, 3), np.uint8), lambda: None
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert open_files(tmp_path) == []


def open_files(folder: Path) -> list[int]:
    """Descriptors of this process's files in the folder, nameless ones too."""
    descriptors = Path("/proc/self/fd")
    numbers = [int(name) for name in os.listdir(descriptors) if os.path.lexists(descriptors / name)]
    return [number for number in numbers if os.readlink(descriptors / str(number)).startswith(f"{folder}/")]
