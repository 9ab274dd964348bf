"""One worker of a trial: a few real steps of a configuration, without Ray and images. Its orders come on standard input, as JSON."""

import json
import os
import resource
import sys
import time
from typing import TYPE_CHECKING

import psutil

from cluster.config import Config
from cluster.hardware.affinity import bind_process
from cyclegan.config import ImageFormat, ModelSpec
from ringcycle.stderr import quiet_stderr

if TYPE_CHECKING:
    from cluster.hardware.topology import Share

STEPS = 4  # after the first
PATIENCE = 300.0  # seconds for a peer that takes programs from the cache while the first step waits


def main() -> None:
    """Take the share of the node, run the steps, print figures. TF_CONFIG names the trial's workers."""
    orders = json.load(sys.stdin)
    config = Config.model_validate(orders["config"])
    share = bind_process(orders["index"], orders["workers"], orders["cpus"])
    with quiet_stderr():  # TensorFlow's C++ prints as it is imported and started
        compile_seconds, seconds = _steps(config, ModelSpec.of(config.model, ImageFormat(**orders["images"])), share, orders["workers"])
    used = {"memory": psutil.Process().memory_info().rss, "peak": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}
    print(json.dumps({"seconds": min(seconds), "compile_seconds": compile_seconds, **used}))


def _steps(config: Config, model: ModelSpec, share: "Share", workers: int) -> tuple[float, list[float]]:
    """Seconds to compile, and of each step."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import numpy as np
    import tensorflow as tf

    from cluster.paths import compile_cache
    from cluster.worker.compile_cache import compile_units, set_up_xla
    from cluster.worker.strategy import EXCHANGES, make_strategy, runner, set_threads
    from cyclegan.training.image_pool import pool_draws
    from cyclegan.training.passes import make_passes
    from cyclegan.training.state import make_state
    from cyclegan.training.step import alone, make_step

    set_threads(len(share.compute))
    cache = compile_cache(config.cluster.compile_cache)
    set_up_xla(cache)
    begin = time.perf_counter()
    # As a training's worker does, down to the order, so that the training finds the programs in the cache.
    strategy = make_strategy(PATIENCE, gpu=False)
    train, crop = config.train, config.data.crop_size
    state = make_state(model, train, (crop, crop))
    passes = make_passes(state, model, train)
    compile_units(passes.all(), cache)
    step = make_step(passes, EXCHANGES[config.cluster.allreduce_dtype] if workers > 1 else alone, runner(strategy))
    step.compile(cache)
    compiled = time.perf_counter() - begin
    state.assign_initial(train.seed)
    real, _, flags, rate = step.signature
    images = tf.constant(np.random.default_rng(0).integers(0, real.dtype.max + 1, real.shape, real.dtype.as_numpy_dtype))
    seconds = []
    for number in range(1 + STEPS):
        drawn = tf.constant(pool_draws(train.seed, number * train.batch, np.arange(train.batch), train.batch, train.pool_size))
        begin = time.perf_counter()
        step(images, drawn, tf.zeros(flags.shape, flags.dtype), tf.constant(1e-5, rate.dtype))[0].numpy()
        seconds.append(time.perf_counter() - begin)
    return compiled, seconds[1:]


if __name__ == "__main__":
    main()
