"""Names and shapes of the networks' parameters. Imports no TensorFlow: checkpoints are checked against them before any is loaded."""

from cyclegan.config import ModelSpec
from cyclegan.networks.generator_layers import generator_parts


def generator_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Name and shape of each parameter, in layer order; kernels [2, k, k, C, K], biases [2, K]."""
    return {name: shape for part in generator_parts(spec) for name, shape in part.shapes.items()}


def discriminator_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Name and shape of each parameter, in layer order; kernels [2, k, k, C, K], biases [2, K].

    Only the first and the last layer have a bias: before a norm a bias has no effect.
    """
    n = spec.discriminator_filters
    return {
        f"C{n}/kernel": (2, 4, 4, spec.channels, n),
        f"C{n}/bias": (2, n),
        f"C{2 * n}/kernel": (2, 4, 4, n, 2 * n),
        f"C{4 * n}/kernel": (2, 4, 4, 2 * n, 4 * n),
        f"C{8 * n}/kernel": (2, 4, 4, 4 * n, 8 * n),
        "C1/kernel": (2, 4, 4, 8 * n, 1),
        "C1/bias": (2, 1),
    }
