import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cluster.affinity import pin_process, pin_service_threads

ROOT = Path(__file__).parents[2]


def test_pin_covers_all_threads_old_and_new() -> None:
    before = os.sched_getaffinity(0)
    core = min(before)
    ready, done = threading.Event(), threading.Event()
    affinities = {}

    def wait(name: str) -> None:
        ready.set()
        done.wait()
        affinities[name] = os.sched_getaffinity(0)

    old = threading.Thread(target=wait, args=["old"])
    old.start()
    ready.wait()
    try:
        pin_process([core])
        new = threading.Thread(target=wait, args=["new"])
        new.start()
        done.set()
        old.join()
        new.join()
    finally:
        pin_process(before)
    assert affinities == {"old": {core}, "new": {core}}


def test_service_threads_are_all_but_the_caller_and_tensorflows_pools() -> None:
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        pytest.skip("one CPU holds no two kinds of threads apart")
    compute, service, *_ = sorted(before)
    named, done = threading.Barrier(3), threading.Event()
    affinities = {}

    def wait(name: str) -> None:
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name)
        named.wait()
        done.wait()
        affinities[name] = os.sched_getaffinity(0)

    threads = [threading.Thread(target=wait, args=[name]) for name in ("tf_Compute", "event_engine")]
    for thread in threads:
        thread.start()
    named.wait()
    try:
        pin_process([compute])
        pin_service_threads([service])
        affinities["caller"] = os.sched_getaffinity(0)
    finally:
        done.set()
        for thread in threads:
            thread.join()
        pin_process(before)
    assert affinities == {"tf_Compute": {compute}, "event_engine": {service}, "caller": {compute}}


def test_memory_comes_from_the_preferred_node() -> None:
    """In a process of its own: a policy set here would stay."""
    code = "from cluster.affinity import prefer_memory; print(prefer_memory([0])); print(open('/proc/self/numa_maps').read())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    done, *policies = result.stdout.split("\n")
    if done != "True":
        pytest.skip("this machine has no NUMA policies, or forbids them")
    assert any("prefer:0" in line for line in policies), result.stdout


def test_several_nodes_keep_linuxs_default() -> None:
    code = "from cluster.affinity import prefer_memory; print(prefer_memory([0, 1]))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout == "False\n"
