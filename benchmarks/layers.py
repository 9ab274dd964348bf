"""Each kind of convolution alone, forward and backward: the entries of `cyclegan.ops.convolution.FAST` against TensorFlow's own.

    python -m benchmarks.layers [--size 128] [--json layers.json]

Both directions, 2 images, compiled by XLA; minimum processor time of several runs divided by the number of cores, in milliseconds.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import NamedTuple

from cyclegan.import_tensorflow import tensorflow_environment

os.environ |= tensorflow_environment(3)
import numpy as np
import tensorflow as tf

from cyclegan.ops.convolution import conv2d, conv2d_transpose

WAYS = {"auto": ("auto", "float32"), "bfloat16": ("auto", "bfloat16"), "plain": ("plain", "float32")}
IMAGES, RUNS = 2, 7


class Layer(NamedTuple):
    """A convolution whose input is the image downscaled by `scale`. stride 0: transposed, with stride 2."""

    name: str
    scale: int
    kernel: int
    stride: int
    pad: int
    channels: int
    results: int


LAYERS = [
    Layer("c7s1-64", 1, 7, 1, 3, 3, 64),
    Layer("d128", 1, 3, 2, 1, 64, 128),
    Layer("d256", 2, 3, 2, 1, 128, 256),
    Layer("R256", 4, 3, 1, 1, 256, 256),
    Layer("u128", 4, 3, 0, 0, 256, 128),
    Layer("u64", 2, 3, 0, 0, 128, 64),
    Layer("c7s1-3", 1, 7, 1, 3, 64, 3),
    Layer("C64", 1, 4, 2, 1, 3, 64),
    Layer("C128", 2, 4, 2, 1, 64, 128),
    Layer("C256", 4, 4, 2, 1, 128, 256),
    Layer("C512", 8, 4, 1, 1, 256, 512),
    Layer("C1", 8, 4, 1, 1, 512, 1),
]


def milliseconds(layer: Layer, size: int, convolution: str, precision: str) -> float:
    """Minimum processor time of the value and both gradients, divided by the number of cores."""
    random = np.random.default_rng(0)
    side = size // layer.scale
    x = tf.Variable(random.normal(size=(2, IMAGES, side, side, layer.channels)), dtype=tf.float32)
    w = tf.Variable(random.normal(size=(2, layer.kernel, layer.kernel, layer.channels, layer.results)), dtype=tf.float32)

    def convolve(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        if not layer.stride:
            return conv2d_transpose(x, w, convolution=convolution, precision=precision)
        return conv2d(x, w, stride=layer.stride, pad=layer.pad, convolution=convolution, precision=precision)

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
    def both() -> None:
        # Results go into variables, whose memory is reused: fresh memory would cost as much as the layer.
        with tf.GradientTape() as tape:
            y = convolve(x, w)
        dx, dw = tape.gradient(y, (x, w), y)
        x.assign(dx)
        w.assign(dw)

    both()
    found = []
    for _ in range(RUNS):
        x.assign(tf.random.stateless_normal(x.shape, (0, 0)))
        w.assign(tf.random.stateless_normal(w.shape, (0, 1)))
        begin = time.process_time()
        both()
        x[0, 0, 0, 0, 0].numpy()
        found.append(time.process_time() - begin)
    return 1000 * min(found) / len(os.sched_getaffinity(0))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128, help="of the images")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    print(f"{'':10}" + "".join(f"{way:>10}" for way in WAYS))
    results = {}
    for layer in LAYERS:
        results[layer.name] = {way: milliseconds(layer, given.size, *settings) for way, settings in WAYS.items()}
        print(f"{layer.name:10}" + "".join(f"{value:10.1f}" for value in results[layer.name].values()), flush=True)
    if given.json:
        given.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
