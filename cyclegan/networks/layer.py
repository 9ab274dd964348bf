"""A layer of any of the networks, as data. Imports no TensorFlow."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Layer:
    """A convolution, and after it, where the layer has them: its bias, the norm, and the activation.

    kernel, bias: names of parameters. side: of the kernel. inputs, outputs: channels. pad: width of the border, of zeros or of the mirror
    image. transposed, doubled: its result is twice as large, see `conv2d_transpose` and `conv2d_doubled` in `ops.convolution`. affine:
    whether scale and shift, parameters too, follow the norm. slope: of the activation for negative values; 0: ReLU; None: no activation.
    """

    kernel: str
    side: int
    inputs: int
    outputs: int
    pad: int = 1
    mode: Literal["zero", "reflect"] = "zero"
    stride: int = 1
    transposed: bool = False
    doubled: bool = False
    bias: str | None = None
    norm: bool = False
    affine: bool = False
    slope: float | None = None

    @property
    def name(self) -> str:
        """The paper's code, and what tells layers of the same code apart."""
        return self.kernel.partition("/")[0]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of its parameters: kernel [2, k, k, C, K], bias, scale and shift [2, K]."""
        vectors = ([self.bias] if self.bias else []) + ([self.scale, self.shift] if self.affine else [])
        return {self.kernel: (2, self.side, self.side, self.inputs, self.outputs)} | dict.fromkeys(vectors, (2, self.outputs))

    @property
    def scale(self) -> str:
        """Name of the norm's scale."""
        return self.kernel.replace("kernel", "scale")

    @property
    def shift(self) -> str:
        """Name of the norm's shift."""
        return self.kernel.replace("kernel", "shift")

    def result_side(self, side: int) -> int:
        """Height or width of the result, from that of the input."""
        return 2 * side if self.transposed or self.doubled else side // self.stride

    def result_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """H, W and channels of the result, from those of the input."""
        return self.result_side(shape[0]), self.result_side(shape[1]), self.outputs
