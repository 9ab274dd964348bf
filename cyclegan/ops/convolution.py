"""Convolutions of both directions at once: for each layer the fastest known algorithm, or TensorFlow's own.

Letters: B images, H and W height and width, k kernel side, C input channels, K output channels. The leading 2 is the direction;
translation computes a single direction, so all algorithms take a leading 1 as well.
"""

from collections.abc import Callable
from functools import cache, partial

import tensorflow as tf

from cyclegan.ops.lazy_gather import Mode, Pixels, as_pixels, as_tensor, padded
from cyclegan.ops.matmul import MatMul, matmul_bfloat16
from cyclegan.ops.shift_convolution import shift_convolution
from cyclegan.ops.space_to_depth import doubled, patches, strided, transposed, transposed_4, unstrided
from cyclegan.ops.winograd import winograd

Convolution = Callable[[Pixels, tf.Tensor, MatMul], Pixels]

# How the fast algorithms multiply, by precision.
MATMULS: dict[str, MatMul] = {"float32": tf.matmul, "bfloat16": matmul_bfloat16}

# Up to this many input channels, patches cost no more than tiles at stride 2.
FEW_INPUTS = 16

# The sum of shifts costs no more than tiles if a layer has so many times more inputs than outputs.
INPUTS_PER_OUTPUT = 5

# Up to this many outputs, a transposed 4x4 convolution is faster as a sum of shifts than by tiles.
FEW_TRANSPOSED_OUTPUTS = 4

# Up to this many pixels of the result, of all images of a direction, transforming a kernel to tiles costs more than they save.
FEW_PIXELS = 64

# A kernel costs as much as so many tiles, for each of a tile's inputs: it is read, and transformed.
KERNEL_TILES = 50


def cheapest_tile(images: int, height: int, width: int, r: int, sides: tuple[int, ...]) -> int:
    """Which of these sides of a tile costs least, for so many images of the result and kernels of side r."""
    return min(sides, key=lambda m: (m + r - 1) ** 2 * (images * -(-height // m) * -(-width // m) + KERNEL_TILES))


def _tiles_or_patches(x: Pixels, w: tf.Tensor, matmul: MatMul, sides: tuple[int, ...] = (4,)) -> Pixels:
    r = w.shape[1]
    images, height, width = x.index.shape[1], x.height - r + 1, x.width - r + 1
    if images * height * width <= FEW_PIXELS:
        return patches(x, w, matmul)
    # Larger tiles would triple the error of bfloat16.
    allowed = sides[:1] if matmul is matmul_bfloat16 else sides
    return winograd(x, w, matmul, m=cheapest_tile(images, height, width, r, allowed))


_conv_3x3 = partial(_tiles_or_patches, sides=(4, 6))


def _conv_4x4(x: Pixels, w: tf.Tensor, matmul: MatMul) -> Pixels:
    return _shifted(x, w, matmul) if _has_few_outputs(w) else _tiles_or_patches(x, w, matmul, sides=(3,))


def _conv_7x7(x: Pixels, w: tf.Tensor, matmul: MatMul) -> Pixels:
    # Tiles always in float32: those of 7 x 7 would double the error of bfloat16, and few channels gain nothing from it.
    return _shifted(x, w, matmul) if _has_few_outputs(w) else unstrided(x, w, tf.matmul, b=2, small=partial(winograd, m=4))


def _strided_4x4(x: Pixels, w: tf.Tensor, matmul: MatMul) -> Pixels:
    return strided(x, w, matmul, b=2, small=patches if w.shape[3] <= FEW_INPUTS else _tiles_or_patches)


def _shifted(x: Pixels, w: tf.Tensor, _matmul: MatMul) -> Pixels:
    return as_pixels(shift_convolution(as_tensor(x), w))


def _has_few_outputs(w: tf.Tensor) -> bool:
    return bool(w.shape[3] >= INPUTS_PER_OUTPUT * w.shape[4])


# The algorithm on CPUs by (kernel side, stride); TensorFlow's own for all other layers.
# Each comment gives ms forward and backward, this algorithm / TensorFlow's own, both directions, 2 images at 128x128, XLA on
# 2 Zen 4 cores (CPU time divided by the cores): `python -m benchmarks.layers`.
FAST: dict[tuple[int, int], Convolution] = {
    (3, 1): _conv_3x3,  # R256 31 / 80
    (3, 2): partial(strided, b=2, small=_tiles_or_patches),  # d128 46 / 70, d256 43 / 54
    (4, 1): _conv_4x4,  # C512 31 / 71, C1 1.3 / 4.1
    (4, 2): _strided_4x4,  # C64 3.3 / 5.1, C128 13 / 29, C256 17 / 23
    (7, 1): _conv_7x7,  # c7s1-64 27 / 79, c7s1-3 38 / 128
}


def conv2d(
    x: tf.Tensor,
    w: tf.Tensor,
    *,
    stride: int = 1,
    pad: int = 0,
    mode: Mode = "zero",
    convolution: str = "auto",
    precision: str = "float32",
) -> tf.Tensor:
    """Convolve x with w, as deep learning defines it: a cross-correlation.

    x: [2, B, H, W, C]. w: [2, k, k, C, K]. Result: [2, B, (H + 2 pad - k) // stride + 1, (W + 2 pad - k) // stride + 1, K].
    pad: width of the border added to x, of zeros or of its mirror image (the edge not repeated).
    convolution: "plain" is TensorFlow's own; "auto" is the fastest algorithm known for this layer on this device. precision: with
    "bfloat16", the fast algorithms on CPUs round the operands of their large matrix products to bfloat16; the others ignore it.
    """
    fast = None if convolution == "plain" or has_gpu() else FAST.get((w.shape[1], stride))
    return as_tensor(fast(padded(as_pixels(x), pad, mode), w, MATMULS[precision])) if fast else _plain(x, w, stride, pad, mode)


def conv2d_transpose(x: tf.Tensor, w: tf.Tensor, *, convolution: str = "auto", precision: str = "float32") -> tf.Tensor:
    """Double the size by a transposed convolution of stride 2: along each axis, x[i] w[a] is added to result[2i + a - 1].

    x: [2, B, H, W, C]. w: [2, k, k, C, K], k = 3 or 4. Result: [2, B, 2H, 2W, K]. Equals torch's ConvTranspose2d with stride 2 and
    padding 1, and for k = 3 output_padding 1, as in the paper's reference code. convolution, precision: as in `conv2d`.
    """
    if convolution == "plain" or has_gpu():
        return _plain_transpose(x, w)
    if w.shape[1] == 4:
        small = _shifted if w.shape[4] <= FEW_TRANSPOSED_OUTPUTS else _tiles_or_patches
        return as_tensor(transposed_4(as_pixels(x), w, MATMULS[precision], small))
    # u128 41 / 52, u64 44 / 68, measured like the entries of FAST.
    return as_tensor(transposed(as_pixels(x), w, MATMULS[precision], _tiles_or_patches))


def conv2d_doubled(x: tf.Tensor, w: tf.Tensor, *, convolution: str = "auto", precision: str = "float32") -> tf.Tensor:
    """Double the size by repeating pixels, then convolve with a mirrored border: [2, B, H, W, C] to [2, B, 2H, 2W, K].

    w: [2, 3, 3, C, K]. Unlike a transposed convolution, which covers neighbouring pixels with different numbers of taps, it makes no
    checkerboard (Odena et al. 2016, distill.pub/2016/deconv-checkerboard). convolution, precision: as in `conv2d`.
    """
    if convolution == "plain" or has_gpu():
        return _plain(repeated(x), w, 1, 1, "reflect")
    return as_tensor(_conv_3x3(padded(doubled(as_pixels(x)), 1, "reflect"), w, MATMULS[precision]))


@cache
def has_gpu() -> bool:
    """Whether TensorFlow computes on a GPU here; its own convolutions are the fastest there."""
    return bool(tf.config.list_physical_devices("GPU"))


def bordered(x: tf.Tensor, rows: tuple[int, int], columns: tuple[int, int], mode: Mode) -> tf.Tensor:
    """Images [2, B, H, W, C] with so many rows above and below and columns on the left and right, of zeros or of the mirror image."""
    return tf.pad(x, [[0, 0], [0, 0], rows, columns, [0, 0]], "REFLECT" if mode == "reflect" else "CONSTANT")


def repeated(x: tf.Tensor) -> tf.Tensor:
    """Images [2, B, H, W, C] of twice the size, each pixel as a square of 2 x 2."""
    for axis in (2, 3):
        x = tf.gather(x, tf.range(2 * tf.shape(x)[axis]) // 2, axis=axis)  # tf.repeat would forget how many channels there are
    return x


def _plain(x: tf.Tensor, w: tf.Tensor, stride: int, pad: int, mode: Mode) -> tf.Tensor:
    x = bordered(x, (pad, pad), (pad, pad), mode)
    return tf.stack([tf.nn.conv2d(x[i], w[i], stride, "VALID") for i in range(w.shape[0])])


def _plain_transpose(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    _, batch, height, width, _ = tf.unstack(tf.shape(x))
    more = w.shape[1] - 2
    full = (batch, 2 * height + more, 2 * width + more, w.shape[-1])
    kernel = tf.transpose(w, (0, 1, 2, 4, 3))
    inner = slice(1, None if more == 1 else -1)
    return tf.stack([tf.nn.conv2d_transpose(x[i], kernel[i], full, 2, "VALID")[:, inner, inner] for i in range(w.shape[0])])
