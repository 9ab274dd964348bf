"""The layers of the discriminators (arXiv 1703.10593, section 7.2), as data. Imports no TensorFlow.

Ck is a 4x4 convolution with k filters, then the norm and leaky ReLU; the first has no norm, the last neither. As in the paper's
reference code, padding is one zero on each side, and strides are 2 but for the last two layers. The reference's `pixel` kind has three
layers of 1x1 instead.
"""

from functools import partial

from cyclegan.config import ModelSpec
from cyclegan.networks.layer import Layer

LEAK = 0.2
MOST_FACTOR = 8  # channels grow up to 8 times the filters


def discriminator_layers(spec: ModelSpec) -> list[Layer]:
    """The layers in order. Before a norm a bias has no effect, and the layers have none."""
    n = spec.discriminator_filters
    normed = partial(Layer, norm=spec.norm != "none", affine=spec.norm == "batch", slope=LEAK)
    if spec.discriminator == "pixel":
        bias = "C1/bias" if spec.norm == "instance" else None  # as in the reference code
        return [
            Layer(f"C{n}/kernel", 1, spec.channels, n, pad=0, bias=f"C{n}/bias", slope=LEAK),
            normed(f"C{2 * n}/kernel", 1, n, 2 * n, pad=0),
            Layer("C1/kernel", 1, 2 * n, 1, pad=0, bias=bias),
        ]
    halvings = 3 if spec.discriminator == "basic" else spec.discriminator_layers
    widths = [n * min(2**i, MOST_FACTOR) for i in range(halvings + 1)]
    names = [f"C{width}" + (f".{i}" if width in widths[:i] else "") for i, width in enumerate(widths)]
    inner = [normed(f"{names[i]}/kernel", 4, widths[i - 1], widths[i], stride=2 if i < halvings else 1) for i in range(1, halvings + 1)]
    return [
        Layer(f"{names[0]}/kernel", 4, spec.channels, n, stride=2, bias=f"{names[0]}/bias", slope=LEAK),
        *inner,
        Layer("C1/kernel", 4, widths[-1], 1, bias="C1/bias"),
    ]
