"""Strips of rows from which a generator computes an image that is too large for memory: which rows, how many at once, at what cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cyclegan.networks.generator_layers import Part
from cyclegan.networks.layer import Layer

FLOAT = 4  # bytes
# What a strip takes: so many bytes, and so many times its input, its result and the kernel. Measured peaks are at most 0.9 of the sum.
OVERHEAD = 96 * 2**20
INPUT_COPIES, RESULT_COPIES, KERNEL_COPIES = 5, 5, 3
ENOUGH = 96 * 2**20  # for input and result; with more, strips are slower, as the system clears fresh memory for each


class Strip(NamedTuple):
    """Rows [start, stop) of a layer's result, computed from rows [first, last) of its input.

    above, below: rows of the border that they need besides, at the image's own edges only.
    """

    start: int
    stop: int
    first: int
    last: int
    above: int
    below: int


@dataclass(frozen=True)
class StripPlan:
    """The strips of each layer's result, from top to bottom; the most bytes that they take in memory, and activations on the disk."""

    strips: dict[Layer, tuple[Strip, ...]]
    memory: int
    disk: int

    @property
    def count(self) -> int:
        """Strips of all layers."""
        return sum(map(len, self.strips.values()))


def strip_of(layer: Layer, start: int, stop: int, height: int) -> Strip:
    """The strip of rows [start, stop) of the result, for an input of `height` rows. Where the size doubles, both are even."""
    if layer.transposed:  # rows 2i and 2i + 1 of the result come from rows i and i + 1 of the input
        return Strip(start, stop, start // 2, min(stop // 2 + 1, height), 0, 0)
    if layer.doubled:  # one row more on either side, whose half is not needed
        top, bottom = start == 0, stop == 2 * height
        return Strip(start, stop, start // 2 - (not top), stop // 2 + (not bottom), int(top), int(bottom))
    first = start * layer.stride - layer.pad
    last = (stop - 1) * layer.stride - layer.pad + layer.side
    return Strip(start, stop, max(0, first), min(last, height), max(0, -first), max(0, last - height))


def strip_bytes(layer: Layer, strip: Strip, width: int) -> int:
    """Bytes that computing one strip takes at its peak, for an input of `width`."""
    copies = 4 if layer.doubled else 1
    read = copies * (strip.above + strip.last - strip.first + strip.below) * (width + 2 * layer.pad) * layer.inputs
    made = (strip.stop - strip.start) * layer.result_side(width) * layer.outputs
    return _fixed_bytes(layer) + FLOAT * (INPUT_COPIES * read + RESULT_COPIES * made)


def _fixed_bytes(layer: Layer) -> int:
    return OVERHEAD + FLOAT * KERNEL_COPIES * layer.side**2 * layer.inputs * layer.outputs


def plan_strips(parts: Sequence[Part], height: int, width: int, memory: int) -> StripPlan:
    """For an image of height x width: strips as tall as fits in `memory` bytes, but no taller than pays off.

    Where nothing fits, strips have the smallest height, and the plan takes more than `memory`.
    """
    strips, most = {}, 0
    for layer, h, w in _sizes([layer for part in parts for layer in part.layers], height, width):
        end = layer.result_side(h)
        rows = min(end, _rows(layer, h, w, min(memory, _fixed_bytes(layer) + ENOUGH)))
        strips[layer] = tuple(strip_of(layer, start, min(start + rows, end), h) for start in range(0, end, rows))
        most = max(most, strip_bytes(layer, strips[layer][0], w))
    return StripPlan(strips, most, _disk_bytes(parts, height, width))


def _rows(layer: Layer, height: int, width: int, memory: int) -> int:
    """The tallest strip that takes `memory` bytes, or else the smallest."""
    unit = 2 if layer.transposed or layer.doubled else 1
    one, two = (strip_bytes(layer, strip_of(layer, 0, n * unit, height), width) for n in (1, 2))
    return unit * max(1, 1 + (memory - one) // (two - one))


def _disk_bytes(parts: Sequence[Part], height: int, width: int) -> int:
    """The most at once: a layer's input, its result, and the input of the residual block that it is in."""
    most = before = 0
    for part in parts:
        kept = FLOAT * height * width * part.layers[0].inputs if part.residual else 0
        for layer, h, w in _sizes(part.layers, height, width):
            height, width = layer.result_side(h), layer.result_side(w)
            made = 0 if layer.bias else FLOAT * height * width * layer.outputs
            most = max(most, before + kept + made)
            before = made
        before += kept
    return most


def _sizes(layers: Sequence[Layer], height: int, width: int) -> Iterator[tuple[Layer, int, int]]:
    """Each layer with the height and width of its input."""
    for layer in layers:
        yield layer, height, width
        height, width = layer.result_side(height), layer.result_side(width)
