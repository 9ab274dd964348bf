"""What an exchange in bfloat16 loses over many workers, and what error feedback would recover: a ring, simulated on real gradients.

    python -m benchmarks.rounded_exchange [--workers 2 8 64] [--steps 8]

Gradients of generators at their initial weights, of embedded images: each worker has another one in each step. Errors are of the mean
gradient, relative to its norm: of one step, and of the average over all steps, which is what Adam's moments see. Error feedback
(arXiv 1809.07599) adds what rounding took from a worker's gradient to its next one; the rounding of partial sums, on their way around the
ring, happens inside TensorFlow's collective, where only a hop's own worker could keep it ("and of sums").
"""

import argparse
import os
import tempfile
from pathlib import Path

from cyclegan.import_tensorflow import tensorflow_environment

os.environ |= tensorflow_environment(3)
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from cyclegan.config import ModelSpec, TrainConfig
from cyclegan.training.passes import make_passes
from cyclegan.training.state import make_state
from preprocess.synthetic import write_dataset

Array = npt.NDArray[np.float32]
SIDE, FILTERS = 64, 16
BFLOAT16 = tf.bfloat16.as_numpy_dtype


def gradients(workers: int, steps: int) -> Array:
    """[steps, workers, elements]: generator gradients, each of another pair of images."""
    model = ModelSpec(filters=FILTERS, blocks=3, discriminator_filters=FILTERS)
    train = TrainConfig()
    state = make_state(model, train, (SIDE, SIDE))
    passes = make_passes(state, model, train)
    state.assign_initial(0)
    count = workers * steps
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(Path(folder), images=count, test=1, size=SIDE)
        files = [sorted((Path(folder) / f"train{domain}").iterdir())[:count] for domain in "AB"]
        pairs = [np.stack([np.asarray(Image.open(file)) for file in pair])[:, None] for pair in zip(*files, strict=True)]
    size = state.generator_layout.size
    flat = [passes.generator_pass(tf.constant(pair), tf.zeros(2))[0].numpy()[:size] for pair in pairs]
    return np.stack(flat).reshape(steps, workers, size)


def rounded(values: Array) -> Array:
    """Rounded to bfloat16."""
    result: Array = values.astype(BFLOAT16).astype(np.float32)
    return result


class Ring:
    """A ring of workers that sums vectors in bfloat16. feedback: of each worker's own vector; of_sums: of the partial sums, too."""

    def __init__(self, workers: int, size: int, feedback: bool = False, of_sums: bool = False) -> None:
        self.feedback, self.of_sums = feedback, of_sums
        self.kept = np.zeros((workers, size), np.float32)
        # The sum of chunk c begins at worker c.
        self.chunks = np.array_split(np.arange(size), workers)

    def mean(self, vectors: Array) -> Array:
        """The mean of the workers' vectors [workers, size], as all of them receive it."""
        wanted = vectors + self.kept if self.feedback else vectors
        sent = rounded(wanted)
        lost = wanted - sent
        result: Array = np.empty_like(vectors[0])
        for first, chunk in enumerate(self.chunks):
            total = sent[first, chunk]
            for hop in range(1, len(vectors)):
                worker = (first + hop) % len(vectors)
                exact = total + sent[worker, chunk]
                total = rounded(exact)
                if self.of_sums:
                    lost[worker, chunk] += exact - total
            result[chunk] = total
        if self.feedback:
            self.kept = lost
        result /= len(vectors)
        return result


def error(found: Array, wanted: Array) -> float:
    """Of the norm, in percent."""
    return float(100 * np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 8, 64])
    parser.add_argument("--steps", type=int, default=8)
    given = parser.parse_args()
    everything = gradients(max(given.workers), given.steps)
    print("| workers | batch noise of a step | | rounding, one step | average over the steps |\n| --- | --- | --- | --- | --- |")
    for workers in given.workers:
        vectors = everything[:, :workers]
        means = vectors.mean(1, dtype=np.float64).astype(np.float32)
        spread = np.sqrt(((vectors - means[:, None]) ** 2).sum((1, 2)) / (workers * max(1, workers - 1)))
        noise = 100 * float(np.mean(spread / np.linalg.norm(means, axis=1)))
        for name, settings in (("no feedback", {}), ("feedback", {"feedback": True}), ("and of sums", {"feedback": True, "of_sums": True})):
            ring = Ring(workers, vectors.shape[2], **settings)
            found = np.stack([ring.mean(step) for step in vectors])
            one = np.mean([error(a, b) for a, b in zip(found, means, strict=True)])
            print(f"| {workers} | {noise:.1f} % | {name} | {one:.2f} % | {error(found.mean(0), means.mean(0)):.3f} % |", flush=True)


if __name__ == "__main__":
    main()
