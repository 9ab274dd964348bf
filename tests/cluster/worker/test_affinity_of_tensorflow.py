"""Where TensorFlow's threads run once a worker's process is bound: a strategy's server and XLA, in a process of its own."""

import json
import os
import subprocess
import sys

import pytest

from tests.ray_nodes import ROOT, clean_environment, free_ports

pytestmark = pytest.mark.process

CODE = """
import os, sys
from pathlib import Path
from cluster.hardware.affinity import bind, pin_service_threads
from cluster.worker.strategy import make_strategy, set_threads
from cluster.hardware.topology import Share
import tensorflow as tf

compute, service = map(int, sys.argv[1:])
bind(Share((compute,), (service,), (0,)))
set_threads(1)
make_strategy(30, gpu=False)

@tf.function(jit_compile=True)
def products(x):
    for _ in range(4):
        x = tf.tanh(tf.matmul(x, x))
    return x

def used():
    fields = {task.name: (task / "stat").read_text().rpartition(")")[2].split() for task in Path("/proc/self/task").iterdir()}
    return {name: int(values[11]) + int(values[12]) for name, values in fields.items()}

x = tf.ones([768, 768])
products(x)
pin_service_threads([service])
before = used()
for _ in range(40):
    products(x).numpy()
after = used()
spent = {name: ticks - before.get(name, 0) for name, ticks in after.items()}
there = {name for name in spent if os.sched_getaffinity(int(name)) == {compute}}
print(sum(spent.values()), sum(spent[name] for name in there), len(spent) - len(there))
"""


def test_what_computes_stays_on_its_cores() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        pytest.skip("needs two CPUs to keep two kinds of threads apart")
    cluster = {"cluster": {"worker": [f"127.0.0.1:{free_ports(1)[0]}"]}, "task": {"type": "worker", "index": 0}}
    result = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, allowed[:2])],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**clean_environment(), "TF_CONFIG": json.dumps(cluster)},
    )
    assert result.returncode == 0, result.stderr
    ticks, computing, elsewhere = map(int, result.stdout.split())
    assert ticks >= 20, "too little work to measure where it ran"
    assert computing >= 0.95 * ticks
    assert elsewhere >= 2, "gRPC has threads of its own"
