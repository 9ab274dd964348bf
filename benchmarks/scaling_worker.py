"""One worker of `benchmarks.scaling`, on one core: runs what each input line names, prints seconds and core-seconds as JSON."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cyclegan.import_tensorflow import tensorflow_environment

os.environ |= tensorflow_environment(3)
TRACE = "trace "
PEER_TIMEOUT = 900.0  # seconds; the others may still be compiling


def main() -> None:
    """Compile, then run what each line names: `alone`, a step without all-reduce; a dtype, a step with it; `discriminator`; `small`.

    `trace` before the name of a step: print when the parts of that step ran.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("core", "size", "filters", "blocks", "batch"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    given = parser.parse_args()
    os.sched_setaffinity(0, {given.core})  # before TensorFlow starts threads
    ways, sizes = prepare(given)
    print(json.dumps(sizes), flush=True)
    for line in sys.stdin:
        what = line.strip()
        if what.startswith(TRACE):
            print(json.dumps(trace(ways[what.removeprefix(TRACE)])), flush=True)
            continue
        begin, used = time.perf_counter(), time.process_time()
        ways[what]()
        print(json.dumps([time.perf_counter() - begin, time.process_time() - used]), flush=True)


def trace(step: Callable[[], object]) -> list[Any]:
    """Begin, end and name of each part of a step."""
    from benchmarks.step_trace import traced

    return traced(step)


def prepare(given: argparse.Namespace) -> tuple[dict[str, Callable[[], object]], list[int]]:
    """Compile everything and run it once. Returns what can be run, by name, and the numbers of elements of both exchanged vectors."""
    import numpy as np
    import tensorflow as tf

    from cluster.worker.compile_training import GroupSettings, compile_training
    from cluster.worker.strategy import EXCHANGES, runner, set_threads
    from cyclegan.config import ModelSpec, TrainConfig
    from cyclegan.training.compile_cache import set_up_xla
    from cyclegan.training.image_pool import pool_draws
    from cyclegan.training.step import make_step

    set_threads(1)
    set_up_xla(given.cache)
    model = ModelSpec(filters=given.filters, blocks=given.blocks, discriminator_filters=given.filters)
    train = TrainConfig(batch=given.batch)
    # As a single worker; the steps with exchange follow, over the same compiled passes.
    training = compile_training(model, train, (given.size, given.size), GroupSettings(1, PEER_TIMEOUT), given.cache)
    strategy, passes = training.strategy, training.passes
    steps = {"alone": training.step} | {name: make_step(passes, exchange, runner(strategy)) for name, exchange in EXCHANGES.items()}
    for name in EXCHANGES:
        steps[name].compile(None)
    training.state.assign_initial(0)
    real = tf.constant(np.random.default_rng(0).integers(0, 256, (2, given.batch, given.size, given.size, 3), np.uint8))
    draws = tf.constant(pool_draws(0, 0, np.arange(given.batch), given.batch, train.pool_size))
    fake = tf.zeros(real.shape)
    message = tf.zeros(16)
    few = tf.function(lambda: strategy.run(EXCHANGES["float32"], (message, 16)))

    def run(step: Callable[..., tuple[tf.Tensor, ...]]) -> Callable[[], object]:
        return lambda: step(real, draws, tf.zeros(2), tf.constant(2e-4))[0].numpy()

    ways: dict[str, Callable[[], object]] = {name: run(step) for name, step in steps.items()}
    ways["discriminator"] = lambda: passes.discriminator_pass(real, fake, draws).numpy()
    ways["small"] = lambda: few().numpy()
    for way in ways.values():
        way()
    return ways, [passes.update_generators.signature[0].shape[0], passes.update_discriminators.signature[0].shape[0]]


if __name__ == "__main__":
    main()
