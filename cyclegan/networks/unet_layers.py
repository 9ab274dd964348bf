"""The layers of the U-Net generator (arXiv 1611.07004, section 6.1.1), as data. Imports no TensorFlow.

Level 0 is the outermost. On the way down each level halves the size by a 4x4 convolution; on the way up a transposed one doubles it again,
fed with the level's own result from the way down beside that of the level below.
"""

from dataclasses import dataclass

from cyclegan.config import ModelSpec

MOST_FACTOR = 8  # channels grow up to 8 times the filters
SIDE = 4
UNDROPPED = 4  # outer levels without dropout


@dataclass(frozen=True)
class Convolution:
    """A 4x4 convolution of stride 2, down or, transposed, up: its kernel, its bias and scale and shift of its norm, by parameter names."""

    name: str
    inputs: int
    outputs: int
    bias: bool
    norm: bool
    affine: bool

    @property
    def kernel(self) -> str:
        """Name of the kernel."""
        return f"{self.name}/kernel"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of its parameters: kernel [2, 4, 4, C, K], bias, scale and shift [2, K]."""
        vectors = (["bias"] if self.bias else []) + (["scale", "shift"] if self.affine else [])
        return {self.kernel: (2, SIDE, SIDE, self.inputs, self.outputs)} | dict.fromkeys(
            (f"{self.name}/{name}" for name in vectors), (2, self.outputs)
        )


@dataclass(frozen=True)
class Level:
    """What a level does on the way down and on the way up, and whether dropout may follow."""

    down: Convolution
    up: Convolution
    dropout: bool


def unet_levels(spec: ModelSpec) -> list[Level]:
    """The levels, outermost first.

    A bias stands only where no norm follows, which would undo it: at both ends, and at the innermost level's way down. There only with
    instance norm, as in the reference code, which leaves it out otherwise.
    """
    depth, last = spec.halvings, spec.halvings - 1
    channels = [spec.filters * min(2**i, MOST_FACTOR) for i in range(depth)]
    biased = spec.norm == "instance"

    def convolution(name: str, inputs: int, outputs: int, bias: bool, norm: bool) -> Convolution:
        norm = norm and spec.norm != "none"
        return Convolution(name, inputs, outputs, bias, norm, norm and spec.norm == "batch")

    levels = []
    for i, width in enumerate(channels):
        taken, made = (channels[i - 1], channels[i - 1]) if i else (spec.channels, spec.channels)
        down = convolution(f"down{i}", taken, width, bias=biased and i in (0, last), norm=0 < i < last)
        up = convolution(f"up{i}", width if i == last else 2 * width, made, bias=i == 0, norm=i > 0)
        levels.append(Level(down, up, dropout=UNDROPPED <= i < last))
    return levels
