"""Images as lists of pixels with an index: whatever moves pixels changes the index, in NumPy, while the graph is traced.

Padding, cutting into tiles or patches and the way back compose in the index, so that XLA sees one gather for all of them.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cyclegan.ops.fusion_barrier import fusion_barrier

Index = npt.NDArray[np.int32]
Mode = Literal["zero", "reflect"]

ZEROS = -1  # the index of a pixel of zeros
_TABLES: dict[tuple[str, bytes], tf.Tensor] = {}  # never freed: TensorFlow keeps all graphs with custom gradients anyway


@dataclass(frozen=True)
class Pixels:
    """Images of both directions: the channels of pixel [d, b, h, w] are those of the g pixels values[index[d, b, h, w]], concatenated."""

    values: tf.Tensor  # [n, c]: n pixels of c channels
    index: Index  # [2, B, H, W, g]: pixel indices, or ZEROS

    @property
    def height(self) -> int:
        """H."""
        return int(self.index.shape[2])

    @property
    def width(self) -> int:
        """W."""
        return int(self.index.shape[3])


def as_pixels(x: tf.Tensor) -> Pixels:
    """Images [2, B, H, W, C] as pixels, without copying."""
    *shape, channels = x.shape
    return Pixels(tf.reshape(x, (-1, channels)), np.arange(np.prod(shape), dtype=np.int32).reshape(*shape, 1))


def as_tensor(x: Pixels) -> tf.Tensor:
    """Images [2, B, H, W, g c], gathered."""
    return tf.reshape(gather(x.values, x.index), (*x.index.shape[:-1], -1))


def padded(x: Pixels, width: int, mode: Mode) -> Pixels:
    """Add a border of zeros, or of the mirror image without the edge itself; height and width exceed `width`."""
    sides = ((0, 0), (0, 0), (width, width), (width, width), (0, 0))
    return Pixels(x.values, np.pad(x.index, sides, "reflect") if mode == "reflect" else np.pad(x.index, sides, constant_values=ZEROS))


def cropped_or_padded(x: Pixels, height: int, width: int) -> Pixels:
    """Crop, or pad with zeros, at the bottom and on the right."""
    index = x.index[:, :, :height, :width]
    missing = ((0, 0), (0, 0), (0, height - index.shape[2]), (0, width - index.shape[3]), (0, 0))
    return Pixels(x.values, np.pad(index, missing, constant_values=ZEROS))


def gather(values: tf.Tensor, index: Index) -> tf.Tensor:
    """Take pixels out of `values` [n, c] in the order of `index`: [size of index, c].

    The adjoint is a sum of gathers too, one for each time that a pixel is used: XLA on CPU would run a scatter pixel by pixel.
    """
    source = index.ravel()
    if np.array_equal(source, np.arange(values.shape[0])):
        return values

    @tf.custom_gradient
    def move(values: tf.Tensor) -> tuple[tf.Tensor, object]:
        n = values.shape[0]

        def gradient(dy: tf.Tensor) -> tf.Tensor:
            first, *others = (_tables(use) for use in _uses(source, n))
            return tf.add_n([_take(dy, *tables) for tables in (first, *others)]) if others else fusion_barrier(_take, dy, *first)

        return fusion_barrier(_take, values, *_tables(source)), gradient

    return move(values)


def _tables(source: Index) -> tuple[tf.Tensor, ...]:
    """Index tables for `_take`: the indices and, if some are ZEROS, which are not."""
    indices = _shared(np.maximum(source, 0))
    return (indices, _shared(source != ZEROS)) if (source == ZEROS).any() else (indices,)


def _take(values: tf.Tensor, indices: tf.Tensor, nonzero: tf.Tensor | None = None) -> tf.Tensor:
    taken = tf.gather(values, indices)
    return taken if nonzero is None else tf.where(nonzero[:, None], taken, tf.zeros([], values.dtype))


def _shared(table: npt.NDArray[Any]) -> tf.Tensor:
    """The table as a tensor, one for all equal tables, as layers repeat.

    It lies outside all graphs, and compiled functions take it as an argument: of a constant, TensorFlow and XLA keep several copies.
    """
    key = (table.dtype.str, sha256(table.tobytes()).digest())
    if key not in _TABLES:
        with tf.init_scope():
            _TABLES[key] = tf.constant(table)
    return _TABLES[key]


def _uses(source: Index, n: int) -> Index:
    """[most uses of a pixel, n]: column i lists the positions in `source` that hold pixel i, then ZEROS."""
    order = np.argsort(source, kind="stable").astype(np.int32)
    order = order[np.searchsorted(source[order], 0) :]
    pixel = source[order]
    counts = np.bincount(pixel, minlength=n)
    uses = np.full((counts.max(), n), ZEROS, np.int32)
    uses[np.arange(len(pixel)) - np.repeat(np.cumsum(counts) - counts, counts), pixel] = order
    return uses
