"""Names and shapes of the networks' parameters. Imports no TensorFlow: checkpoints are checked against them before any is loaded."""

from cyclegan.config import ModelSpec


def generator_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Name and shape of each parameter, in layer order; kernels [2, k, k, C, K], biases [2, K].

    Only the last layer has a bias: before a norm a bias has no effect.
    """
    n, images = spec.filters, spec.channels
    shapes: dict[str, tuple[int, ...]] = {
        f"c7s1-{n}/kernel": (2, 7, 7, images, n),
        f"d{2 * n}/kernel": (2, 3, 3, n, 2 * n),
        f"d{4 * n}/kernel": (2, 3, 3, 2 * n, 4 * n),
    }
    for i in range(spec.blocks):
        shapes |= {f"R{4 * n}.{i}/kernel{j}": (2, 3, 3, 4 * n, 4 * n) for j in (1, 2)}
    return shapes | {
        f"u{2 * n}/kernel": (2, 3, 3, 4 * n, 2 * n),
        f"u{n}/kernel": (2, 3, 3, 2 * n, n),
        f"{last_layer(spec)}/kernel": (2, 7, 7, n, images),
        f"{last_layer(spec)}/bias": (2, images),
    }


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


def last_layer(spec: ModelSpec) -> str:
    """Name of a generator's last layer, distinct from the first even when images have as many channels as the first layer has filters."""
    return f"c7s1-{spec.channels}" + (".last" if spec.channels == spec.filters else "")
