"""The layers of the ResNet generator (arXiv 1703.10593, section 7.2), as data. Imports no TensorFlow.

Codes are the paper's: c7s1-k is a 7x7 convolution of stride 1 with k filters, dk a 3x3 convolution of stride 2, Rk a residual block of
two 3x3 convolutions, uk a transposed 3x3 convolution of stride 2, or, if `model.upsample` is resize, repeated pixels and a 3x3 convolution.
"""

from dataclasses import dataclass
from functools import partial

from cyclegan.config import ModelSpec
from cyclegan.networks.layer import Layer

RELU = 0.0


@dataclass(frozen=True)
class Part:
    """Layers in sequence. residual: their result is added to their input."""

    layers: tuple[Layer, ...]
    residual: bool = False

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter, in order."""
        return {name: shape for layer in self.layers for name, shape in layer.shapes.items()}


def generator_parts(spec: ModelSpec) -> list[Part]:
    """Encoder, residual blocks and decoder of a resnet; a tanh follows.

    Only the last layer has a bias: before a norm a bias has no effect, and without norms the reference code has none either.
    """
    n, images = spec.filters, spec.channels
    layer = partial(Layer, mode="reflect", norm=spec.norm != "none", affine=spec.norm == "batch", slope=RELU)
    double = partial(layer, doubled=True) if spec.upsample == "resize" else partial(layer, transposed=True)
    # A name distinct from the first layer's even when images have as many channels as that has filters.
    last = f"c7s1-{images}" + (".last" if images == n else "")
    encoder = Part(
        (
            layer(f"c7s1-{n}/kernel", 7, images, n, pad=3),
            layer(f"d{2 * n}/kernel", 3, n, 2 * n, mode="zero", stride=2),
            layer(f"d{4 * n}/kernel", 3, 2 * n, 4 * n, mode="zero", stride=2),
        )
    )
    blocks = [
        Part(
            (
                layer(f"R{4 * n}.{i}/kernel1", 3, 4 * n, 4 * n),
                layer(f"R{4 * n}.{i}/kernel2", 3, 4 * n, 4 * n, slope=None),
            ),
            residual=True,
        )
        for i in range(spec.blocks)
    ]
    decoder = Part(
        (
            double(f"u{2 * n}/kernel", 3, 4 * n, 2 * n),
            double(f"u{n}/kernel", 3, 2 * n, n),
            Layer(f"{last}/kernel", 7, n, images, pad=3, mode="reflect", bias=f"{last}/bias"),
        )
    )
    return [encoder, *blocks, decoder]
