"""What our networks make of `formula_images`."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from cyclegan.checkpoint_files.arrays import DISCRIMINATOR_WEIGHTS, WEIGHTS
from cyclegan.config import ModelSpec
from cyclegan.networks.discriminator import discriminate
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.generator import generate
from cyclegan.networks.shapes import discriminator_shapes, generator_shapes
from tests.cyclegan.conversion.formula import formula_images


def computed(weights: Mapping[str, np.ndarray], model: ModelSpec) -> dict[str, np.ndarray]:
    """The results of all networks by the reference's names, channels last; weights by their names in a checkpoint."""
    real = _images(model.channels_a, model), _images(model.channels_b, model)
    fake_b, fake_a = generate(_parameters(weights[WEIGHTS], generator_shapes(model)), tf.stack(real), model).numpy()
    parameters = _parameters(weights[DISCRIMINATOR_WEIGHTS], discriminator_shapes(model))
    of_b, of_a = discriminate(parameters, tf.stack(real[::-1]), model).numpy()
    return {"G_A": fake_b[..., : model.channels_b], "G_B": fake_a[..., : model.channels_a], "D_A": of_b, "D_B": of_a}


def _images(channels: int, model: ModelSpec) -> np.ndarray:
    return np.pad(formula_images(channels), ((0, 0), (0, 0), (0, 0), (0, model.channels - channels)))


def _parameters(flat: np.ndarray, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tf.Tensor]:
    return FlatParameters(shapes).split(tf.constant(flat))
