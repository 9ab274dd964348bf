"""Names and shapes of the networks' parameters. Imports no TensorFlow: checkpoints are checked against them before any is loaded."""

from cyclegan.config import ModelSpec
from cyclegan.networks.discriminator_layers import discriminator_layers
from cyclegan.networks.generator_layers import generator_parts
from cyclegan.networks.layer import Layer
from cyclegan.networks.unet_layers import unet_levels


def layers_of_generator(spec: ModelSpec) -> list[Layer]:
    """All layers of either kind of generator, in the order in which they are computed."""
    if spec.generator == "resnet":
        return [layer for part in generator_parts(spec) for layer in part.layers]
    levels = unet_levels(spec)
    return [*(level.down for level in levels), *(level.up for level in reversed(levels))]


def generator_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Name and shape of each parameter, in layer order; kernels [2, k, k, C, K], biases, scales and shifts [2, K]."""
    return {name: shape for layer in layers_of_generator(spec) for name, shape in layer.shapes.items()}


def discriminator_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Name and shape of each parameter, in layer order; kernels [2, k, k, C, K], biases, scales and shifts [2, K]."""
    return {name: shape for layer in discriminator_layers(spec) for name, shape in layer.shapes.items()}


def spectral_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Name of each kernel of the discriminators, and shape [2, K] of its vectors in `spectral_norm`."""
    return {layer.kernel: (2, layer.outputs) for layer in discriminator_layers(spec)}
