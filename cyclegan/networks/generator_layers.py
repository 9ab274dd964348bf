"""The layers of the ResNet generator (arXiv 1703.10593, section 7.2), as data. Imports no TensorFlow.

Codes are the paper's: c7s1-k is a 7x7 convolution of stride 1 with k filters, dk a 3x3 convolution of stride 2, Rk a residual block of
two 3x3 convolutions, uk a transposed 3x3 convolution of stride 2.
"""

from dataclasses import dataclass
from typing import Literal

from cyclegan.config import ModelSpec


@dataclass(frozen=True)
class Layer:
    """A convolution and what follows it: instance norm and perhaps ReLU; or, where the layer has a bias, the bias and tanh.

    kernel, bias: names of parameters. side: of the kernel. inputs, outputs: channels. pad: width of the border, of zeros or of the mirror
    image. transposed: its result is twice as large, see `ops.convolution.conv2d_transpose`.
    """

    kernel: str
    side: int
    inputs: int
    outputs: int
    pad: int = 1
    mode: Literal["zero", "reflect"] = "reflect"
    stride: int = 1
    transposed: bool = False
    relu: bool = True
    bias: str | None = None

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of its parameters: kernel [2, k, k, C, K], bias [2, K]."""
        shapes: dict[str, tuple[int, ...]] = {self.kernel: (2, self.side, self.side, self.inputs, self.outputs)}
        return shapes | {self.bias: (2, self.outputs)} if self.bias else shapes

    def result_side(self, side: int) -> int:
        """Height or width of the result, from that of the input."""
        return 2 * side if self.transposed else side // self.stride

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


def generator_parts(spec: ModelSpec) -> list[Part]:
    """Encoder, residual blocks and decoder. Only the last layer has a bias: before a norm a bias has no effect."""
    n, images = spec.filters, spec.channels
    # A name distinct from the first layer's even when images have as many channels as that has filters.
    last = f"c7s1-{images}" + (".last" if images == n else "")
    encoder = Part(
        (
            Layer(f"c7s1-{n}/kernel", 7, images, n, pad=3),
            Layer(f"d{2 * n}/kernel", 3, n, 2 * n, mode="zero", stride=2),
            Layer(f"d{4 * n}/kernel", 3, 2 * n, 4 * n, mode="zero", stride=2),
        )
    )
    blocks = [
        Part(
            (
                Layer(f"R{4 * n}.{i}/kernel1", 3, 4 * n, 4 * n),
                Layer(f"R{4 * n}.{i}/kernel2", 3, 4 * n, 4 * n, relu=False),
            ),
            residual=True,
        )
        for i in range(spec.blocks)
    ]
    decoder = Part(
        (
            Layer(f"u{2 * n}/kernel", 3, 4 * n, 2 * n, transposed=True),
            Layer(f"u{n}/kernel", 3, 2 * n, n, transposed=True),
            Layer(f"{last}/kernel", 7, n, images, pad=3, bias=f"{last}/bias"),
        )
    )
    return [encoder, *blocks, decoder]
