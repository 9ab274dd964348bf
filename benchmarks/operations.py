"""Floating-point operations of a step by direct convolution, however a contender computes it, and of the product that sets the peak."""

PRODUCT_SIDE = 3072
PRODUCT = 2.0 * PRODUCT_SIDE**3


def step_operations(size: int, filters: int, blocks: int, batch: int, generator: str = "resnet") -> float:
    """Multiplications and additions of all convolutions of one step with identity loss, RGB, as the reference orders it.

    Generators: three evaluations each, with both gradients. Discriminators: one image with the input's gradient in the generators' pass,
    two images with both gradients in their own.
    """
    g = _generator(size, filters, blocks) if generator == "resnet" else _unet(size, filters, {"unet_128": 7, "unet_256": 8}[generator])
    d = _discriminator(size, filters)
    return 2.0 * batch * (3 * 3 * g + 2 * d + 2 * 3 * d)


def _generator(size: int, n: int, blocks: int) -> float:
    """For one image, forward: c7s1-n, d2n, d4n, R4n × blocks, u2n, un, c7s1-3."""
    half, quarter = size // 2, size // 4
    ends = 2 * _layer(size, 7, 3, n)
    middle = 2 * (_layer(half, 3, n, 2 * n) + _layer(quarter, 3, 2 * n, 4 * n))  # a transposed layer costs the same
    return ends + middle + 2 * blocks * _layer(quarter, 3, 4 * n, 4 * n)


def _unet(size: int, n: int, depth: int) -> float:
    """For one image, forward: each level's convolution and its transposed one, which has the channels of both ways."""
    widths = [n * min(2**i, 8) for i in range(depth)]
    total = 0.0
    for i, width in enumerate(widths):
        outer, side = widths[i - 1] if i else 3, size // 2 ** (i + 1)
        total += _layer(side, 4, outer, width) + _layer(side, 4, width if i == depth - 1 else 2 * width, outer)
    return total


def _discriminator(size: int, n: int) -> float:
    """For one image, forward: C64-C128-C256-C512 and a logit per patch, for n = 64."""
    halves = _layer(size // 2, 4, 3, n) + _layer(size // 4, 4, n, 2 * n) + _layer(size // 8, 4, 2 * n, 4 * n)
    return halves + _layer(size // 8 - 1, 4, 4 * n, 8 * n) + _layer(size // 8 - 2, 4, 8 * n, 1)


def _layer(side: int, kernel: int, c: int, k: int) -> float:
    """For a layer with side × side results, from kernel × kernel × c to k channels."""
    return 2.0 * side**2 * kernel**2 * c * k
