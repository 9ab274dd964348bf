"""Our side of `benchmarks.step`: one worker's training step, run on demand. Same protocol as `torch_peer.py`."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from functools import partial

from cyclegan.import_tensorflow import tensorflow_environment

os.environ |= tensorflow_environment(3)
import numpy as np
import tensorflow as tf

from cluster.worker.strategy import set_threads
from cyclegan.config import ModelSpec, TrainConfig
from cyclegan.training import passes
from cyclegan.training.compile_cache import give_back_memory
from cyclegan.training.compiled_function import CompiledFunction
from cyclegan.training.image_pool import pool_draws
from cyclegan.training.state import make_state
from cyclegan.training.step import make_step


def main() -> None:
    """Warm up, then one step for each line on standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("size", "filters", "blocks", "batch", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    add_ways(parser)
    run = warm_step(parser.parse_args())
    print("ready", flush=True)
    for number, _ in enumerate(sys.stdin, 2):
        print(run(number), flush=True)


def add_ways(parser: argparse.ArgumentParser) -> None:
    """Add options for what may be computed in several ways."""
    parser.add_argument("--generator", default="resnet")
    parser.add_argument("--norm", default="instance")
    parser.add_argument("--upsample", default="transposed")
    parser.add_argument("--convolution", default="auto")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--remat", action="store_true")
    parser.add_argument("--graph", action="store_true", help="without XLA")


def warm_step(given: argparse.Namespace) -> Callable[[int], float]:
    """A step, run twice, that takes its number and returns the seconds it took. given: threads, sizes, and what `add_ways` adds."""
    set_threads(given.threads)
    ways = {name: getattr(given, name) for name in ("generator", "norm", "upsample", "convolution", "precision", "remat")}
    model = ModelSpec(filters=given.filters, blocks=given.blocks, discriminator_filters=given.filters, **ways)
    train = TrainConfig(batch=given.batch)
    state = make_state(model, train, (given.size, given.size))
    if given.graph:
        passes.CompiledFunction = partial(CompiledFunction, jit_compile=False)  # type: ignore[attr-defined, misc, assignment]
    step = make_step(passes.make_passes(state, model, train))
    state.assign_initial(0)
    real = tf.constant(np.random.default_rng(0).integers(0, 256, (2, given.batch, given.size, given.size, 3), np.uint8))
    rows = np.arange(given.batch)

    def run(number: int) -> float:
        draws = tf.constant(pool_draws(0, number * given.batch, rows, given.batch, train.pool_size))
        begin = time.perf_counter()
        step(real, draws, tf.zeros(2), tf.constant(2e-4))[0].numpy()
        return time.perf_counter() - begin

    for number in range(2):
        run(number)
    give_back_memory()
    return run


if __name__ == "__main__":
    main()
