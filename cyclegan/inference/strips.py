"""A generator applied to an image that is too large for memory: layer by layer, each in strips of rows, activations on disk.

The norm is the only operation that sees the whole image. So a layer's strips are convolved, written, and counted into the norm's
mean and variance; the next layer normalizes what it reads. The result is that of the whole image, to rounding: there are no tiles
whose seams could show.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cyclegan.inference.activation_file import ActivationFile, Rows
from cyclegan.inference.channel_moments import ChannelMoments
from cyclegan.inference.strip_plan import Strip
from cyclegan.networks.generator_layers import Part
from cyclegan.networks.layer import Layer
from cyclegan.networks.normalization import EPSILON
from cyclegan.ops.convolution import bordered, conv2d, conv2d_transpose, repeated
from cyclegan.training.pixels import to_pixels, to_signed
from preprocess.images.decoded_image import ImageArray


class _Source(Protocol):
    """What a layer reads: an activation [H, W, C], after its norm, ReLU and block."""

    shape: tuple[int, int, int]

    def read(self, start: int, rows: Rows) -> None:
        """Fill `rows` with those from `start` on."""

    def close(self) -> None:
        """Give its place on the disk back."""


class _Image:
    """Pixels in [-1, 1], with surplus channels of 0."""

    def __init__(self, pixels: ImageArray, channels: int) -> None:
        self._pixels = pixels
        self.shape = (*pixels.shape[:2], channels)

    def read(self, start: int, rows: Rows) -> None:
        own = self._pixels.shape[2]
        rows[..., :own] = to_signed(tf.constant(self._pixels[start : start + len(rows)])).numpy()
        rows[..., own:] = 0

    def close(self) -> None:
        pass


class _Normalized:
    """A convolution's result after its norm and, if the layer has it, ReLU; at the end of a residual block, added to the block's input."""

    def __init__(
        self,
        file: ActivationFile,
        moments: ChannelMoments,
        layer: Layer,
        affine: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None,
        added: ActivationFile | None,
    ) -> None:
        self.shape = file.shape
        self._file, self._layer, self._added = file, layer, added
        self._mean = moments.mean.astype(np.float32)
        inverse = (1 / np.sqrt(moments.variance + EPSILON)).astype(np.float32)
        self._scale = inverse * affine[0] if affine else inverse
        self._shift = affine[1] if affine else None

    def read(self, start: int, rows: Rows) -> None:
        one = np.empty((1, *rows.shape[1:]), np.float32)
        for i in range(len(rows)):
            row = rows[i : i + 1]
            self._file.read(start + i, row)
            if self._layer.norm:
                row -= self._mean
                row *= self._scale
            if self._shift is not None:
                row += self._shift
            if self._layer.slope is not None:
                np.maximum(row, 0, out=row)
            if self._added:
                self._added.read(start + i, one)
                row += one

    def close(self) -> None:
        self._file.close()
        if self._added:
            self._added.close()


class _Copied:
    """Another source, kept in a file as it is read."""

    def __init__(self, source: _Source, file: ActivationFile) -> None:
        self.shape = source.shape
        self._source, self._file = source, file

    def read(self, start: int, rows: Rows) -> None:
        self._source.read(start, rows)
        self._file.write(start, rows)

    def close(self) -> None:
        self._source.close()


@dataclass(frozen=True)
class StripGenerator:
    """The generator of one direction, in strips.

    parameters: named as in `generator_shapes`, of that direction only, [1, ...]. strips: of each layer's result, see `plan_strips`.
    folder: for the files.
    """

    parameters: Mapping[str, tf.Tensor]
    parts: Sequence[Part]
    strips: Mapping[Layer, Sequence[Strip]]
    folder: Path

    def generate(self, pixels: ImageArray, result: ImageArray, advance: Callable[[], None]) -> None:
        """Translate pixels [H, W, C], of the size that was planned, to `result`: its first rows, columns and channels.

        advance: called after each strip. Raises OSError if a file cannot be written.
        """
        with ExitStack() as files:
            x: _Source = _Image(pixels, self.parts[0].layers[0].inputs)
            for part in self.parts:
                kept = self._file(x.shape, files) if part.residual else None
                if kept:
                    x = _Copied(x, kept)
                for layer in part.layers:
                    if layer.bias:
                        self._fill(result, x, layer, self.parameters[layer.bias], advance)
                    else:
                        file, moments = self._convolve(x, layer, files, advance)
                        x.close()
                        x = _Normalized(file, moments, layer, self._affine(layer), kept if layer is part.layers[-1] else None)

    def _affine(self, layer: Layer) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None:
        """Scale and shift [K] after a layer's norm."""
        return (self.parameters[layer.scale][0].numpy(), self.parameters[layer.shift][0].numpy()) if layer.affine else None

    def _file(self, shape: tuple[int, int, int], files: ExitStack) -> ActivationFile:
        file = ActivationFile(self.folder, shape)
        files.callback(file.close)
        return file

    def _convolve(self, x: _Source, layer: Layer, files: ExitStack, advance: Callable[[], None]) -> tuple[ActivationFile, ChannelMoments]:
        """A layer's convolution on the disk, and its statistics."""
        file, moments = self._file(layer.result_shape(x.shape), files), ChannelMoments(layer.outputs)
        for strip in self.strips[layer]:
            rows = self._convolved(x, layer, strip).numpy()
            file.write(strip.start, rows)
            moments.add(rows)
            advance()
        return file, moments

    def _fill(self, result: ImageArray, x: _Source, layer: Layer, bias: tf.Tensor, advance: Callable[[], None]) -> None:
        """The last layer."""
        for strip in self.strips[layer]:
            rows = result[strip.start : strip.stop]
            height, width, channels = rows.shape
            signed = tf.tanh(self._convolved(x, layer, strip) + bias)[:height, :width, :channels]
            rows[...] = to_pixels(signed.numpy(), 8 * result.itemsize)
            advance()

    def _convolved(self, x: _Source, layer: Layer, strip: Strip) -> tf.Tensor:
        """Rows [n, W, K] of a layer's convolution."""
        kernel = self.parameters[layer.kernel]
        rows = np.empty((strip.last - strip.first, *x.shape[1:]), np.float32)
        x.read(strip.first, rows)
        images = tf.constant(rows)[None, None]
        del rows  # copied
        if layer.transposed:
            return conv2d_transpose(images, kernel, convolution="plain")[0, 0, : strip.stop - strip.start]
        if layer.doubled:
            wide = repeated(images)
            images = wide[:, :, 1 - strip.above : wide.shape[2] - 1 + strip.below]
        images = bordered(images, (strip.above, strip.below), (layer.pad, layer.pad), layer.mode)
        return conv2d(images, kernel, stride=layer.stride, convolution="plain")[0, 0]
