"""Convolutions of both directions at once.

Letters: B images, H, W height and width, k kernel side, C channels in, K channels out. The leading 2 is the direction;
the plain form also takes one direction alone, as inference needs.
"""

from collections.abc import Callable
from functools import cache, partial

import tensorflow as tf

from cyclegan.ops import block_convolution as blocks
from cyclegan.ops.lazy_gather import Mode, Pixels, image, padded, pixels
from cyclegan.ops.matmul import Product, in_bfloat16
from cyclegan.ops.shift_convolution import few_outputs
from cyclegan.ops.winograd import winograd

Convolution = Callable[[Pixels, tf.Tensor, Product], Pixels]

# Of each form but the plain one: how the fast forms multiply.
PRODUCTS: dict[str, Product] = {"auto": tf.matmul, "bfloat16": in_bfloat16}

# Channels up to which a layer's end is images or logits rather than features.
FEW = 16


def _first(x: Pixels, w: tf.Tensor, _product: Product) -> Pixels:
    # Always in float32: tiles of 7 x 7 would double the error of bfloat16, and few channels gain nothing by it.
    return blocks.unstrided(x, w, tf.matmul, b=2, small=partial(winograd, m=4))


def _few_outputs(x: Pixels, w: tf.Tensor, _product: Product) -> Pixels:
    return pixels(few_outputs(image(x), w))


# (kernel side, stride, few channels in, few channels out) of a layer to its form on processors; TensorFlow's own for the rest.
# Measured beside each row: ms forward and backward, this form / TensorFlow's own, both directions, 2 images at 128x128, XLA on
# 2 Zen 4 cores (processor time over both cores): `python -m benchmarks.layers`.
FAST: dict[tuple[int, int, bool, bool], Convolution] = {
    (3, 1, False, False): partial(winograd, m=4),  # R256 31 / 80
    (3, 2, False, False): partial(blocks.strided, b=2, small=partial(winograd, m=4)),  # d128 46 / 70, d256 43 / 54
    (4, 1, False, False): partial(winograd, m=3),  # C512 31 / 71
    (4, 1, False, True): _few_outputs,  # C1 1.3 / 4.1
    (4, 2, True, False): partial(blocks.strided, b=2, small=blocks.patches),  # C64 3.3 / 5.1
    (4, 2, False, False): partial(blocks.strided, b=2, small=partial(winograd, m=4)),  # C128 13 / 29, C256 17 / 23
    (7, 1, True, False): _first,  # c7s1-64 27 / 79
    (7, 1, False, True): _few_outputs,  # c7s1-3 38 / 128
}


def conv2d(x: tf.Tensor, w: tf.Tensor, *, stride: int = 1, pad: int = 0, mode: Mode = "zero", form: str = "auto") -> tf.Tensor:
    """Correlate x with w as deep learning does.

    x: [2, B, H, W, C]. w: [2, k, k, C, K]. Result: [2, B, (H + 2 pad - k) // stride + 1, (W + 2 pad - k) // stride + 1, K].
    pad: width of the border around x, of zeros or of its mirror image (the edge not repeated).
    form: "plain" is TensorFlow's own convolution, "auto" the fastest form known for this layer on this device, "bfloat16" that
    with operands of its large products rounded to bfloat16, on processors.
    """
    _, k, _, c, channels = w.shape
    fast = None if form == "plain" or has_gpu() else FAST.get((k, stride, c <= FEW, channels <= FEW))
    return image(fast(padded(pixels(x), pad, mode), w, PRODUCTS[form])) if fast else _plain(x, w, stride, pad, mode)


def conv2d_transpose(x: tf.Tensor, w: tf.Tensor, *, form: str = "auto") -> tf.Tensor:
    """Double the size by a transposed 3x3 convolution of stride 2: result[2i + a - 1] sums x[i] w[a], along each axis.

    x: [2, B, H, W, C]. w: [2, 3, 3, C, K]. Result: [2, B, 2H, 2W, K]. It is torch's ConvTranspose2d with kernel 3, stride 2,
    padding 1 and output_padding 1, as in the paper's reference code. form: as in `conv2d`.
    """
    if form == "plain" or has_gpu():
        return _plain_transpose(x, w)
    # u128 41 / 52, u64 44 / 68, measured as the rows of FAST.
    return image(blocks.transposed(pixels(x), w, PRODUCTS[form], partial(winograd, m=4)))


@cache
def has_gpu() -> bool:
    """Whether TensorFlow computes on a GPU here, where its own convolutions are the fastest."""
    return bool(tf.config.list_physical_devices("GPU"))


def _plain(x: tf.Tensor, w: tf.Tensor, stride: int, pad: int, mode: Mode) -> tf.Tensor:
    x = tf.pad(x, [[0, 0], [0, 0], [pad, pad], [pad, pad], [0, 0]], "REFLECT" if mode == "reflect" else "CONSTANT")
    return tf.stack([tf.nn.conv2d(x[i], w[i], stride, "VALID") for i in range(w.shape[0])])


def _plain_transpose(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    _, batch, height, width, _ = tf.unstack(tf.shape(x))
    full = (batch, 2 * height + 1, 2 * width + 1, w.shape[-1])
    kernel = tf.transpose(w, (0, 1, 2, 4, 3))
    return tf.stack([tf.nn.conv2d_transpose(x[i], kernel[i], full, 2, "VALID")[:, 1:, 1:] for i in range(w.shape[0])])
