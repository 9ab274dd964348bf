"""The layers of the U-Net generator (arXiv 1611.07004, section 6.1.1), as data. Imports no TensorFlow.

Level 0 is the outermost. On the way down each level halves the size by a 4x4 convolution; on the way up a transposed one doubles it again,
fed with the level's own result from the way down beside that of the level below.
"""

from dataclasses import dataclass
from functools import partial

from cyclegan.config import ModelSpec
from cyclegan.networks.layer import Layer

MOST_FACTOR = 8  # channels grow up to 8 times the filters
SIDE = 4
UNDROPPED = 4  # outer levels without dropout


@dataclass(frozen=True)
class Level:
    """What a level does on the way down and on the way up, and whether dropout may follow."""

    down: Layer
    up: Layer
    dropout: bool


def unet_levels(spec: ModelSpec) -> list[Level]:
    """The levels, outermost first. Activations come before the layers: they see both what goes down and what came up.

    A bias stands only where no norm follows, which would undo it: at both ends, and at the innermost level's way down. On the way down only
    with instance norm, as in the reference code, which leaves it out otherwise.
    """
    last = spec.halvings - 1
    widths = [spec.filters * min(2**i, MOST_FACTOR) for i in range(spec.halvings)]
    normed = partial(Layer, norm=spec.norm != "none", affine=spec.norm == "batch")
    levels = []
    for i, width in enumerate(widths):
        outer = widths[i - 1] if i else spec.channels
        bias = f"down{i}/bias" if spec.norm == "instance" and i in (0, last) else None
        down = (normed if 0 < i < last else Layer)(f"down{i}/kernel", SIDE, outer, width, stride=2, bias=bias)
        taken = width if i == last else 2 * width
        up = (normed if i else Layer)(f"up{i}/kernel", SIDE, taken, outer, transposed=True, bias=None if i else "up0/bias")
        levels.append(Level(down, up, dropout=UNDROPPED <= i < last))
    return levels
