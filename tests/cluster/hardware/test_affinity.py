import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.hardware.affinity import bind, cpus_of_workers, pin_service_threads, unbound
from cluster.hardware.cpu_tree import read_cores
from cluster.hardware.topology import Share
from tests.ray_nodes import ROOT


@pytest.fixture
def two_cpus() -> Iterator[tuple[int, int]]:
    """Two CPUs of this process; afterwards its threads may run anywhere again."""
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        pytest.skip("needs two CPUs to keep two kinds of threads apart")
    compute, service, *_ = sorted(before)
    yield compute, service
    bind(Share(tuple(before), tuple(before), (0,)))


class Waiting(threading.Thread):
    """Has a name that Linux shows, waits, then notes where it may run."""

    def __init__(self, name: str, done: threading.Event) -> None:
        super().__init__(name=name)
        self.named, self.done = threading.Event(), done
        self.start()
        self.named.wait()

    def run(self) -> None:
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(self.name)
        self.named.set()
        self.done.wait()
        self.affinity = os.sched_getaffinity(0)


def test_running_threads_serve_and_later_ones_compute(two_cpus: tuple[int, int]) -> None:
    compute, service = two_cpus
    done = threading.Event()
    old = Waiting("ray", done)
    bind(Share((compute,), (service,), (0,)))
    threads = [old, *(Waiting(name, done) for name in ("tf_Compute", "unnamed", "event_engine", "grpcpp_sync_ser"))]
    own = os.sched_getaffinity(0)
    pin_service_threads([service])
    done.set()
    for thread in threads:
        thread.join()
    assert own == os.sched_getaffinity(0) == {compute}
    assert {thread.name: thread.affinity for thread in threads} == {
        "ray": {service},
        "tf_Compute": {compute},
        "unnamed": {compute},
        "event_engine": {service},
        "grpcpp_sync_ser": {service},
    }


def test_what_computes_is_unbound_for_a_while_and_what_serves_stays(two_cpus: tuple[int, int]) -> None:
    compute, service = two_cpus
    done = threading.Event()
    serving = Waiting("ray", done)
    bind(Share((compute,), (service,), (0,)))
    computing = Waiting("tf_Compute", done)
    with unbound({compute, service}):
        threads = [threading.current_thread(), serving, computing, Waiting("unnamed", done)]
        meanwhile = [os.sched_getaffinity(thread.native_id or 0) for thread in threads]
    afterwards = [os.sched_getaffinity(thread.native_id or 0) for thread in threads]
    done.set()
    assert meanwhile == [{compute, service}, {service}, {compute, service}, {compute, service}]
    assert afterwards == [{compute}, {service}, {compute}, {compute}]


def test_the_cpus_of_all_workers_of_a_node(two_cpus: tuple[int, int]) -> None:
    cores = len(read_cores(os.sched_getaffinity(0)))
    assert len(cpus_of_workers(cores, 1)) == cores
    assert cpus_of_workers(1, 1) < cpus_of_workers(cores, 1)


def test_a_process_is_bound_to_its_share_before_it_starts_threads() -> None:
    code = """
import os
from concurrent.futures import ThreadPoolExecutor
from cluster.hardware.affinity import bind_process
share = bind_process(index=0, workers=1, cpus=1)
with ThreadPoolExecutor(1) as pool:
    print(len(share.compute), pool.submit(os.sched_getaffinity, 0).result() == set(share.compute))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout == "1 True\n"


def test_memory_comes_from_the_preferred_node() -> None:
    """In a process of its own, because a policy set here would remain."""
    code = "from cluster.hardware.affinity import prefer_memory; print(prefer_memory([0])); print(open('/proc/self/numa_maps').read())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    done, *policies = result.stdout.split("\n")
    if done != "True":
        pytest.skip("this machine has no NUMA policies, or forbids them")
    assert any("prefer:0" in line for line in policies), result.stdout


def test_several_nodes_keep_the_default_of_linux() -> None:
    code = "from cluster.hardware.affinity import prefer_memory; print(prefer_memory([0, 1]))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout == "False\n"
