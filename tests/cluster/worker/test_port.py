"""TensorFlow's port, attacked as somebody on the same network would: by a session without credentials that reads the environment."""

import json
import os
import subprocess
import sys

import pytest

from tests.hosts import can_make_namespaces, running_hosts
from tests.ray_nodes import ROOT, free_ports

pytestmark = pytest.mark.process

WORKER = """
import json, os, sys
import psutil
import tensorflow as tf
from cluster.worker.strategy import make_strategy
strategy = make_strategy(60.0, gpu=False)

@tf.function
def total():
    return strategy.run(lambda: tf.distribute.get_replica_context().all_reduce("SUM", tf.constant([1.0])))

workers = float(total().numpy()[0])
print(json.dumps([workers, sorted(c.laddr.port for c in psutil.Process().net_connections("inet") if c.status == "LISTEN")]), flush=True)
sys.stdin.readline()
print(float(total().numpy()[0]), flush=True)
"""

ATTACK = """
import os, sys, threading
import tensorflow as tf
tf.compat.v1.disable_eager_execution()

def attack():
    config = tf.compat.v1.ConfigProto(operation_timeout_in_ms=5000)
    with tf.compat.v1.Session("grpc://" + sys.argv[1], config=config) as session:
        print(session.run(tf.io.read_file("/proc/self/environ")), flush=True)

thread = threading.Thread(target=attack, daemon=True)
thread.start()
thread.join(8)
os._exit(0)
"""


def environment(**values: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    return {**clean, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", **values}


def start_worker(prefix: list[str], **values: str) -> "subprocess.Popen[str]":
    command = [*prefix, sys.executable, "-c", WORKER]
    return subprocess.Popen(
        command, env=environment(**values), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def read_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def let_go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def attack(prefix: list[str], address: str) -> str:
    return subprocess.run([*prefix, sys.executable, "-c", ATTACK, address], env=environment(), capture_output=True, text=True).stdout


def test_a_single_worker_listens_nowhere() -> None:
    worker = start_worker([])
    try:
        assert json.loads(read_line(worker)) == [1.0, []]
        let_go(worker)
        assert read_line(worker) == "1.0\n"
    finally:
        worker.kill()
        worker.wait()


@pytest.mark.skipif(not can_make_namespaces(), reason="needs root and network namespaces: an attacker has an address of its own")
def test_of_two_workers_only_their_hosts_reach_the_port() -> None:
    (port,) = free_ports(1)
    with running_hosts(3) as (one, other, attacker):
        addresses = [f"{host.address}:{port}" for host in (one, other)]
        tasks = [{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}} for rank in range(2)]
        workers = [start_worker(host.prefix, TF_CONFIG=json.dumps(task)) for host, task in zip((one, other), tasks, strict=True)]
        try:
            assert [json.loads(read_line(worker)) for worker in workers] == [[2.0, [port]], [2.0, [port]]]
            for address in addresses:
                assert attack(attacker.prefix, address) == ""
            assert "PATH=" in attack(other.prefix, addresses[0]), "the attack itself works from a host that is let in"
            for worker in workers:
                let_go(worker)
            assert [read_line(worker) for worker in workers] == ["2.0\n", "2.0\n"]
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
