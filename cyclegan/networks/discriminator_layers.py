"""The layers of the discriminators (arXiv 1703.10593, section 7.2), as data. Imports no TensorFlow.

Ck is a 4x4 convolution with k filters, then the norm and leaky ReLU; the first has no norm, the last neither. As in the paper's
reference code, padding is one zero on each side, and strides are 2 but for the last two layers. The reference's `pixel` kind has three
layers of 1x1 instead.
"""

from dataclasses import dataclass

from cyclegan.config import ModelSpec
from cyclegan.networks.generator_layers import scale_of, shift_of

MOST_FACTOR = 8  # channels grow up to 8 times the filters


@dataclass(frozen=True)
class JudgingLayer:
    """A convolution; then the norm, unless it is the first or last; then leaky ReLU, unless it is the last."""

    name: str
    side: int
    inputs: int
    outputs: int
    stride: int
    bias: bool
    norm: bool
    affine: bool
    last: bool

    @property
    def kernel(self) -> str:
        """Name of the kernel."""
        return f"{self.name}/kernel"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of its parameters: kernel [2, k, k, C, K], bias, scale and shift [2, K]."""
        vectors = ([f"{self.name}/bias"] if self.bias else []) + ([scale_of(self.kernel), shift_of(self.kernel)] if self.affine else [])
        return {self.kernel: (2, self.side, self.side, self.inputs, self.outputs)} | dict.fromkeys(vectors, (2, self.outputs))


def discriminator_layers(spec: ModelSpec) -> list[JudgingLayer]:
    """The layers in order. Before a norm a bias has no effect, and the layers have none."""
    n, norm = spec.discriminator_filters, spec.norm != "none"

    def layer(name: str, side: int, inputs: int, outputs: int, stride: int, bias: bool = False, last: bool = False) -> JudgingLayer:
        own = norm and not bias and not last
        return JudgingLayer(name, side, inputs, outputs, stride, bias, own, own and spec.norm == "batch", last)

    if spec.discriminator == "pixel":
        return [
            layer(f"C{n}", 1, spec.channels, n, 1, bias=True),
            layer(f"C{2 * n}", 1, n, 2 * n, 1),
            layer("C1", 1, 2 * n, 1, 1, bias=spec.norm == "instance", last=True),  # as in the reference code
        ]
    halvings = 3 if spec.discriminator == "basic" else spec.discriminator_layers
    widths = [n * min(2**i, MOST_FACTOR) for i in range(halvings + 1)]
    names = [f"C{width}" + (f".{i}" if width in widths[:i] else "") for i, width in enumerate(widths)]
    layers = [layer(names[0], 4, spec.channels, n, 2, bias=True)]
    for i in range(1, halvings + 1):
        layers.append(layer(names[i], 4, widths[i - 1], widths[i], 2 if i < halvings else 1))
    return [*layers, layer("C1", 4, widths[-1], 1, 1, bias=True, last=True)]
