"""Images as tables of rows: a pixel's channels are a row, and whatever moves pixels moves row numbers, in NumPy, before anything runs.

Padding, cutting into tiles or patches and their way back compose there, so that XLA sees one gather for all of them.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cyclegan.ops.fusion_barrier import apart

Index = npt.NDArray[np.int32]
Mode = Literal["zero", "reflect"]

ZEROS = -1  # stands for a row of zeros
_TABLES: dict[tuple[str, bytes], tf.Tensor] = {}  # for good, as TensorFlow keeps all graphs with gradients made by hand


@dataclass(frozen=True)
class Pixels:
    """Images of both directions: pixel [d, b, h, w] has the channels of the g rows index[d, b, h, w], one behind the other."""

    rows: tf.Tensor  # [n, c]
    index: Index  # [2, B, H, W, g]: rows, or ZEROS

    @property
    def height(self) -> int:
        """H."""
        return int(self.index.shape[2])

    @property
    def width(self) -> int:
        """W."""
        return int(self.index.shape[3])


def pixels(x: tf.Tensor) -> Pixels:
    """x [2, B, H, W, C] as rows, which copies nothing."""
    *places, channels = x.shape
    return Pixels(tf.reshape(x, (-1, channels)), np.arange(np.prod(places), dtype=np.int32).reshape(*places, 1))


def image(x: Pixels) -> tf.Tensor:
    """The tensor [2, B, H, W, g c]."""
    return tf.reshape(gather(x.rows, x.index), (*x.index.shape[:-1], -1))


def padded(x: Pixels, width: int, mode: Mode) -> Pixels:
    """Surround images by zeros, or by their mirror image without the border itself; height and width exceed `width`."""
    sides = ((0, 0), (0, 0), (width, width), (width, width), (0, 0))
    return Pixels(x.rows, np.pad(x.index, sides, "reflect") if mode == "reflect" else np.pad(x.index, sides, constant_values=ZEROS))


def resized(x: Pixels, height: int, width: int) -> Pixels:
    """Cut or fill with zeros at the bottom and on the right."""
    index = x.index[:, :, :height, :width]
    missing = ((0, 0), (0, 0), (0, height - index.shape[2]), (0, width - index.shape[3]), (0, 0))
    return Pixels(x.rows, np.pad(index, missing, constant_values=ZEROS))


def space_to_depth(x: Pixels, b: int) -> Pixels:
    """Move blocks of b x b pixels into channels; height and width divide by b."""
    directions, batch, height, width, groups = x.index.shape
    index = x.index.reshape(directions, batch, height // b, b, width // b, b, groups).transpose(0, 1, 2, 4, 3, 5, 6)
    return Pixels(x.rows, index.reshape(directions, batch, height // b, width // b, b * b * groups))


def depth_to_space(x: Pixels, b: int) -> Pixels:
    """Undo `space_to_depth` where a pixel is one row, of b b c channels."""
    directions, batch, height, width, _ = x.index.shape
    index = np.where(x.index == ZEROS, ZEROS, x.index * b * b + np.arange(b * b, dtype=np.int32))
    index = index.reshape(directions, batch, height, width, b, b).transpose(0, 1, 2, 4, 3, 5)
    return Pixels(tf.reshape(x.rows, (-1, x.rows.shape[1] // (b * b))), index.reshape(directions, batch, height * b, width * b, 1))


def gather(rows: tf.Tensor, index: Index) -> tf.Tensor:
    """Rows [n, c] by number, in the order of `index`: [size of index, c].

    The adjoint is a sum of gathers too, one for each time that a row is used: XLA on CPU would run a scatter row by row.
    """
    source = index.ravel()
    if np.array_equal(source, np.arange(rows.shape[0])):
        return rows

    @tf.custom_gradient
    def move(rows: tf.Tensor) -> tuple[tf.Tensor, object]:
        n = rows.shape[0]

        def gradient(dy: tf.Tensor) -> tf.Tensor:
            first, *others = (_tables(user) for user in _users(source, n))
            return tf.add_n([_take(dy, *tables) for tables in (first, *others)]) if others else apart(_take, dy, *first)

        return apart(_take, rows, *_tables(source)), gradient

    return move(rows)


def _tables(source: Index) -> tuple[tf.Tensor, ...]:
    """What `_take` needs to take these rows: their numbers and, if some are ZEROS, which are not."""
    numbers = _shared(np.maximum(source, 0))
    return (numbers, _shared(source != ZEROS)) if (source == ZEROS).any() else (numbers,)


def _take(rows: tf.Tensor, numbers: tf.Tensor, real: tf.Tensor | None = None) -> tf.Tensor:
    taken = tf.gather(rows, numbers)
    return taken if real is None else tf.where(real[:, None], taken, tf.zeros([], rows.dtype))


def _shared(table: npt.NDArray[Any]) -> tf.Tensor:
    """The table, one for all equal ones, as layers repeat.

    A tensor outside all graphs, which programs take as an argument: TensorFlow and XLA keep each of their constants several times.
    """
    key = (table.dtype.str, sha256(table.tobytes()).digest())
    if key not in _TABLES:
        with tf.init_scope():
            _TABLES[key] = tf.constant(table)
    return _TABLES[key]


def _users(source: Index, n: int) -> Index:
    """[most uses of a row, n]: the places of `source` that hold row i are column i, then ZEROS."""
    order = np.argsort(source, kind="stable").astype(np.int32)
    order = order[np.searchsorted(source[order], 0) :]
    row = source[order]
    uses = np.bincount(row, minlength=n)
    users = np.full((uses.max(), n), ZEROS, np.int32)
    users[np.arange(len(row)) - np.repeat(np.cumsum(uses) - uses, uses), row] = order
    return users
