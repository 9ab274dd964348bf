"""One of two workers that only exchange vectors, to learn what that costs. Takes its `ExchangeOrder` as JSON on standard input."""

import json
import sys
import time
from collections.abc import Callable

from pydantic import BaseModel

from cluster.calibration.scale_out import ELEMENT_BYTES, ExchangeCost
from cluster.hardware.affinity import bind_process
from cyclegan.import_tensorflow import import_tensorflow
from ringcycle.output import say
from ringcycle.stderr import quiet_stderr

PAIR = 2
FEW = 16  # elements of a message whose time is all latency
RUNS, SMALL_RUNS = 5, 20
PEER_TIMEOUT = 120.0


class ExchangeOrder(BaseModel):
    """What one worker of the pair gets. cpus: see `bind_process`. elements, dtype: of the large vector and of its exchange."""

    index: int
    cpus: int
    elements: int
    dtype: str


def main() -> None:
    """Bind this process to its share of the node, exchange, print `ExchangeCost` as JSON. TF_CONFIG names the pair."""
    order = ExchangeOrder.model_validate_json(sys.stdin.read())
    share = bind_process(order.index, PAIR, order.cpus)
    with quiet_stderr():  # TensorFlow's C++ prints as it is imported and started
        cost = _run(order, len(share.compute))
    say(json.dumps(vars(cost)))


def _run(order: ExchangeOrder, threads: int) -> ExchangeCost:
    import_tensorflow(3)
    import tensorflow as tf

    from cluster.worker.strategy import EXCHANGES, make_strategy, runner, set_threads

    set_threads(threads)
    run, exchange = runner(make_strategy(PEER_TIMEOUT, gpu=False)), EXCHANGES[order.dtype]

    def seconds(elements: int, runs: int) -> float:
        vector = tf.zeros([elements])
        once = tf.function(lambda: run(lambda part: exchange(part, FEW), (vector,)), autograph=False)
        return _fastest(lambda: once().numpy(), runs)

    small, large = seconds(2 * FEW, SMALL_RUNS), seconds(order.elements, RUNS)
    # In a ring of two, each sends two messages of half the vector.
    return ExchangeCost(latency=small / 2, per_byte=max(0.0, large - small) / (order.elements * ELEMENT_BYTES[order.dtype]))


def _fastest(once: Callable[[], object], runs: int) -> float:
    """The least seconds of so many runs, after one that is not timed."""
    once()
    found = []
    for _ in range(runs):
        begin = time.perf_counter()
        once()
        found.append(time.perf_counter() - begin)
    return min(found)


if __name__ == "__main__":
    main()
