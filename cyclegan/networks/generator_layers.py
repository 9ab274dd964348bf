"""The layers of the ResNet generator (arXiv 1703.10593, section 7.2), as data. Imports no TensorFlow.

Codes are the paper's: c7s1-k is a 7x7 convolution of stride 1 with k filters, dk a 3x3 convolution of stride 2, Rk a residual block of
two 3x3 convolutions, uk a transposed 3x3 convolution of stride 2, or, if `model.upsample` is resize, repeated pixels and a 3x3 convolution.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from cyclegan.config import ModelSpec


@dataclass(frozen=True)
class Layer:
    """A convolution and what follows it: if `norm`, the norm, and perhaps ReLU; or, where the layer has a bias, the bias and tanh.

    kernel, bias: names of parameters. side: of the kernel. inputs, outputs: channels. pad: width of the border, of zeros or of the mirror
    image. transposed, doubled: its result is twice as large, see `conv2d_transpose` and `conv2d_doubled` in `ops.convolution`. affine:
    whether scale and shift, parameters too, follow the norm.
    """

    kernel: str
    side: int
    inputs: int
    outputs: int
    pad: int = 1
    mode: Literal["zero", "reflect"] = "reflect"
    stride: int = 1
    transposed: bool = False
    doubled: bool = False
    relu: bool = True
    bias: str | None = None
    norm: bool = True
    affine: bool = False

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of its parameters: kernel [2, k, k, C, K], bias, scale and shift [2, K]."""
        vectors = [self.bias] if self.bias else [self.scale, self.shift] if self.affine else []
        kernel = {self.kernel: (2, self.side, self.side, self.inputs, self.outputs)}
        return kernel | dict.fromkeys(vectors, (2, self.outputs))

    @property
    def scale(self) -> str:
        """Name of the norm's scale."""
        return scale_of(self.kernel)

    @property
    def shift(self) -> str:
        """Name of the norm's shift."""
        return shift_of(self.kernel)

    def result_side(self, side: int) -> int:
        """Height or width of the result, from that of the input."""
        return 2 * side if self.transposed or self.doubled else side // self.stride

    def result_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """H, W and channels of the result, from those of the input."""
        return self.result_side(shape[0]), self.result_side(shape[1]), self.outputs


@dataclass(frozen=True)
class Part:
    """Layers in sequence. residual: their result is added to their input."""

    layers: tuple[Layer, ...]
    residual: bool = False

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter, in order."""
        return {name: shape for layer in self.layers for name, shape in layer.shapes.items()}


def scale_of(kernel: str) -> str:
    """Name of the scale of the norm after a kernel's convolution."""
    return kernel.replace("kernel", "scale")


def shift_of(kernel: str) -> str:
    """Name of the shift of the norm after a kernel's convolution."""
    return kernel.replace("kernel", "shift")


def generator_parts(spec: ModelSpec) -> list[Part]:
    """Encoder, residual blocks and decoder of a resnet.

    Only the last layer has a bias: before a norm a bias has no effect, and without norms the reference code has none either.
    """
    n, images = spec.filters, spec.channels
    layer = partial(Layer, norm=spec.norm != "none", affine=spec.norm == "batch")
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
                layer(f"R{4 * n}.{i}/kernel2", 3, 4 * n, 4 * n, relu=False),
            ),
            residual=True,
        )
        for i in range(spec.blocks)
    ]
    decoder = Part(
        (
            double(f"u{2 * n}/kernel", 3, 4 * n, 2 * n),
            double(f"u{n}/kernel", 3, 2 * n, n),
            Layer(f"{last}/kernel", 7, n, images, pad=3, bias=f"{last}/bias"),
        )
    )
    return [encoder, *blocks, decoder]
