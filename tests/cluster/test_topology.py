import os
import threading
from pathlib import Path

import pytest

from cluster.topology import pin_process, share_of, usable_cores, worker_cores


def machine(root: Path, sockets: int, cores: int, threads: int) -> Path:
    """A /sys tree numbered as Linux does on Xeons: all first threads, alternating between sockets, then all second ones."""
    for cpu in range(sockets * cores * threads):
        first = cpu % (sockets * cores)
        topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text(f"{first % sockets}\n")
        (topology / "thread_siblings_list").write_text(",".join(str(first + t * sockets * cores) for t in range(threads)) + "\n")
    return root


def test_two_sockets_of_xeon_gold_6128(tmp_path: Path) -> None:
    cores = usable_cores(range(24), machine(tmp_path, sockets=2, cores=6, threads=2))
    assert cores == [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]
    assert share_of(cores, 0, 2) == [0, 2, 4, 6, 8, 10]
    assert share_of(cores, 1, 2) == [1, 3, 5, 7, 9, 11]


def test_cpuset_may_leave_only_second_threads(tmp_path: Path) -> None:
    assert usable_cores([4, 5, 6], machine(tmp_path, sockets=1, cores=4, threads=2)) == [4, 5, 6]


@pytest.mark.parametrize(("limit", "count"), [("max 100000", 4), ("200000 100000", 2), ("150000 100000", 1), ("50000 100000", 1)])
def test_cgroup_quota_v2(limit: str, count: int, tmp_path: Path) -> None:
    machine(tmp_path, sockets=1, cores=4, threads=1)
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text(limit + "\n")
    assert usable_cores(range(4), tmp_path) == [0, 1, 2, 3][:count]


@pytest.mark.parametrize(("quota", "count"), [(-1, 4), (200000, 2)])
def test_cgroup_quota_v1(quota: int, count: int, tmp_path: Path) -> None:
    machine(tmp_path, sockets=1, cores=4, threads=1)
    (tmp_path / "sys/fs/cgroup/cpu").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu/cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "sys/fs/cgroup/cpu/cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(range(4), tmp_path) == [0, 1, 2, 3][:count]


@pytest.mark.parametrize(("count", "workers"), [(12, 2), (7, 3), (2, 2), (5, 1)])
def test_shares_are_equal_and_disjoint(count: int, workers: int) -> None:
    shares = [share_of(range(count), i, workers) for i in range(workers)]
    assert {len(s) for s in shares} == {count // workers}
    assert len({core for s in shares for core in s}) == workers * (count // workers)


def test_more_workers_than_cores_take_turns() -> None:
    assert [share_of([3, 5], i, 3) for i in range(3)] == [[3], [5], [3]]


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


@pytest.mark.parametrize(("cpus", "cores"), [(12, [1, 3, 5, 7, 9, 11]), (10, [1, 3, 5, 7, 9]), (1, [1])])
def test_cpus_that_ray_was_not_given_stay_free(cpus: int, cores: list[int], tmp_path: Path) -> None:
    assert worker_cores(range(24), 1, 2, cpus, machine(tmp_path, sockets=2, cores=6, threads=2)) == cores
