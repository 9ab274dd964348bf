"""Is the truth of `preprocess.synthetic` learnable? A small supervised network, trained on pairs, must reach a low error both ways.

Six 3x3 convolutions and no norm: each output pixel sees 13x13 input pixels, so a low error also proves that the truth is local.
The network sees the images as training does, after JPEG. Errors are mean absolute differences on images of another seed,
divided by the error of leaving the image unchanged; three answers that ignore the shapes in an image are shown for comparison.

    python -m benchmarks.synthetic_truth [--steps N] [--seed N]
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from preprocess.synthetic import write_dataset
from ringcycle.hashing import generator

Images = npt.NDArray[np.float32]

WIDTH, DEPTH, BATCH, CROP, RATE = 24, 6, 8, 48, 4e-3


def read_pairs(folder: Path, images: int, seed: int) -> dict[str, tuple[Images, Images]]:
    """Pairs of each direction, (N, size, size, 3) in [-1, 1]: the JPEG images of a test folder and their truth."""
    write_dataset(folder, images=1, test=images, seed=seed)

    def read(source: Path) -> Images:
        return np.stack([np.asarray(Image.open(path), np.float32) / 127.5 - 1 for path in sorted(source.iterdir())])

    return {
        "AtoB": (read(folder / "testA"), read(folder / "truth" / "AtoB")),
        "BtoA": (read(folder / "testB"), read(folder / "truth" / "BtoA")),
    }


def train(pairs: tuple[Images, Images], steps: int, seed: int) -> Callable[[Images], Images]:
    """Fit the network to pairs with L1 and Adam, rate falling to 0; return it."""
    rng = generator(seed, "synthetic truth")
    widths = [3] + [WIDTH] * (DEPTH - 1) + [3]
    weights = [tf.Variable(rng.normal(0, np.sqrt(2 / (9 * i)), (3, 3, i, o)).astype(np.float32)) for i, o in pairwise(widths)]
    biases = [tf.Variable(np.zeros(o, np.float32)) for o in widths[1:]]
    variables = weights + biases
    moments = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in variables]

    def network(x: tf.Tensor) -> tf.Tensor:
        for number, (w, b) in enumerate(zip(weights, biases, strict=True)):
            x = tf.nn.conv2d(x, w, 1, "SAME") + b
            x = tf.nn.leaky_relu(x) if number < DEPTH - 1 else x
        return x

    @tf.function(jit_compile=True)
    def step(x: tf.Tensor, truth: tf.Tensor, count: tf.Tensor, rate: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.abs(network(x) - truth))
        for v, (m, s), g in zip(variables, moments, tape.gradient(loss, variables), strict=True):
            m.assign(0.9 * m + 0.1 * g)
            s.assign(0.999 * s + 0.001 * g * g)
            v.assign_sub(rate * m / (1 - 0.9**count) / (tf.sqrt(s / (1 - 0.999**count)) + 1e-8))

    source, truth = pairs
    for count in range(1, steps + 1):
        chosen = rng.integers(len(source), size=BATCH)
        top, left = rng.integers(source.shape[1] - CROP + 1, size=2)
        window = (chosen, slice(top, top + CROP), slice(left, left + CROP))
        step(source[window], truth[window], tf.constant(float(count)), tf.constant(RATE * (1 - (count - 1) / steps), tf.float32))
    return lambda x: np.clip(network(tf.constant(x)).numpy(), -1, 1)


def best_colour_map(pairs: tuple[Images, Images]) -> Callable[[Images], Images]:
    """The affine map of colours with the least squared error: the best answer that looks at single pixels only."""

    def with_one(x: Images) -> Images:
        return np.concatenate([x, np.ones_like(x[..., :1])], -1)

    matrix = np.linalg.lstsq(with_one(pairs[0]).reshape(-1, 4), pairs[1].reshape(-1, 3), rcond=None)[0]
    return lambda x: with_one(x) @ matrix


def main() -> None:
    """Train both directions and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=1500, help="training steps of each direction")
    parser.add_argument("--seed", type=int, default=0, help="seed of data and network")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        training = read_pairs(Path(folder) / "training", 200, 2 * given.seed)
        tests = read_pairs(Path(folder) / "test", 32, 2 * given.seed + 1)
    print(f"error on 32 test images, seed {given.seed}, {given.steps} steps; ratio 1: the image left unchanged")
    for direction, (source, truth) in tests.items():
        unchanged = np.abs(source - truth).mean()
        began = time.perf_counter()
        network = train(training[direction], given.steps, given.seed)
        seconds = time.perf_counter() - began
        answers = {
            "supervised network": network(source),
            "best affine colour map": best_colour_map(training[direction])(source),
            "one colour, the median of the domain": np.median(training[direction][1], (0, 1, 2)),
            "another image of the domain": np.roll(truth, 1, 0),
        }
        print(f"{direction}: unchanged {unchanged / 2:.4f} of the range; trained {seconds:.0f} s")
        for name, answer in answers.items():
            print(f"  {name}: {np.abs(answer - truth).mean() / unchanged:.3f}")


if __name__ == "__main__":
    main()
