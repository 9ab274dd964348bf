"""One worker of a trial: a few real steps of a configuration, without Ray and images. Takes its `TrialOrder` as JSON on standard input."""

import json
import resource
import sys
import time

import psutil
from pydantic import BaseModel

from cluster.calibration.search import Figures
from cluster.config import Config
from cluster.hardware.affinity import bind_process
from cyclegan.config import ImageFormat, ModelSpec
from cyclegan.import_tensorflow import import_tensorflow
from preprocess.images.size import sides_of
from ringcycle.output import say
from ringcycle.stderr import quiet_stderr
from ringcycle.user_cache import compile_cache

STEPS = 4  # that are timed, after a first one that is not
PEER_TIMEOUT = 300.0  # seconds; the first step waits for workers that still load programs from the cache


class TrialOrder(BaseModel):
    """What one worker of a trial gets: number `index` of the configuration's `cluster.workers`. cpus: see `bind_process`."""

    config: Config
    images: ImageFormat
    index: int
    cpus: int


def main() -> None:
    """Bind this process to its share of the node, run the steps, print `Figures` as JSON. TF_CONFIG names the trial's workers."""
    order = TrialOrder.model_validate_json(sys.stdin.read())
    share = bind_process(order.index, order.config.cluster.most, order.cpus)
    with quiet_stderr():  # TensorFlow's C++ prints as it is imported and started
        compile_seconds, seconds = _run(order, len(share.compute))
    memory, peak = psutil.Process().memory_info().rss, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    say(json.dumps(vars(Figures(min(seconds), compile_seconds, memory, peak))))


def _run(order: TrialOrder, threads: int) -> tuple[float, list[float]]:
    """Seconds to compile, and seconds of each timed step."""
    import_tensorflow(3)
    import numpy as np
    import tensorflow as tf

    from cluster.worker.compile_training import GroupSettings, compile_training
    from cluster.worker.strategy import set_threads
    from cyclegan.training.compile_cache import set_up_xla
    from cyclegan.training.draws import step_draws

    config, train = order.config, order.config.train
    set_threads(threads)
    cache = compile_cache(config.cluster.compile_cache)
    set_up_xla(cache)
    begin = time.perf_counter()
    group = GroupSettings(config.cluster.most, PEER_TIMEOUT, config.cluster.allreduce_dtype)
    training = compile_training(ModelSpec.of(config.model, order.images), train, sides_of(config.data.crop_size), group, cache)
    compile_seconds = time.perf_counter() - begin
    training.state.assign_initial(train.seed)
    real, _, flags, rate = training.step.signature
    images = tf.constant(np.random.default_rng(0).integers(0, real.dtype.max + 1, real.shape, real.dtype.as_numpy_dtype))
    seconds = []
    for number in range(1 + STEPS):
        draws = tf.constant(step_draws(train, number * train.batch, np.arange(train.batch), train.batch))
        begin = time.perf_counter()
        training.step(images, draws, tf.zeros(flags.shape, flags.dtype), tf.constant(1e-5, rate.dtype))[0].numpy()
        seconds.append(time.perf_counter() - begin)
    return compile_seconds, seconds[1:]


if __name__ == "__main__":
    main()
