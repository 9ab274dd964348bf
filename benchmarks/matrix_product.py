"""One float32 matrix product on demand: the machine's peak. Same protocol as `torch_peer.py`."""

import argparse
import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf

from benchmarks.operations import PRODUCT_SIDE
from cluster.worker.strategy import set_threads


def main() -> None:
    """Warm up, then one product for each line on standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, required=True)
    set_threads(parser.parse_args().threads)
    product = tf.function(lambda x: x @ x, jit_compile=True)
    x = tf.random.stateless_normal([PRODUCT_SIDE, PRODUCT_SIDE], [0, 0])

    def run() -> float:
        begin = time.perf_counter()
        product(x)[0, 0].numpy()
        return time.perf_counter() - begin

    run()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(run(), flush=True)


if __name__ == "__main__":
    main()
