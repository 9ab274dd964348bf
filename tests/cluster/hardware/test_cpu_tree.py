import os
from pathlib import Path

import psutil
import pytest

from cluster.hardware.cpu_tree import Core, parse_cpu_list, read_cores
from tests.cluster.hardware.machines import machine, write


def test_two_sockets_of_xeon_gold_6128(tmp_path: Path) -> None:
    cores = read_cores(range(24), machine("xeon-gold-6128", tmp_path))
    assert cores == [Core(cpu // 6, cpu // 6, (cpu, cpu + 12)) for cpu in range(12)]


def test_four_numa_nodes_in_one_socket_of_epyc_7251(tmp_path: Path) -> None:
    cores = read_cores(range(16), machine("epyc-7251", tmp_path))
    assert cores == [Core(0, cpu // 2, (cpu, cpu + 8)) for cpu in range(8)]


def test_numbers_that_alternate_between_sockets(tmp_path: Path) -> None:
    for cpu in range(4):
        write(tmp_path / f"sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id", str(cpu % 2))
        write(tmp_path / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list", str(cpu))
    write(tmp_path / "sys/devices/system/node/node0/cpulist", "0,2")
    write(tmp_path / "sys/devices/system/node/node1/cpulist", "1,3")
    write(tmp_path / "sys/devices/system/node/node2/cpulist", "")  # memory alone, as of an accelerator
    assert read_cores(range(4), tmp_path) == [Core(0, 0, (0,)), Core(0, 0, (2,)), Core(1, 1, (1,)), Core(1, 1, (3,))]


def test_a_cpuset_may_leave_one_thread_of_a_core(tmp_path: Path) -> None:
    cores = read_cores([1, 2, 14, 19], machine("xeon-gold-6128", tmp_path))
    assert cores == [Core(0, 0, (1,)), Core(0, 0, (2, 14)), Core(1, 1, (19,))]


def test_without_a_tree_each_cpu_is_a_core(tmp_path: Path) -> None:
    assert read_cores([3, 1], tmp_path) == [Core(0, 0, (1,)), Core(0, 0, (3,))]


def test_this_machine_has_as_many_cores_as_psutil_counts() -> None:
    allowed = os.sched_getaffinity(0)
    if len(allowed) != psutil.cpu_count():
        pytest.skip("this process may not use all CPUs, and psutil counts all")
    cores = read_cores(allowed)
    assert len(cores) == psutil.cpu_count(logical=False)
    assert sorted(cpu for core in cores for cpu in core.threads) == sorted(allowed)


@pytest.mark.parametrize(("text", "numbers"), [("0-2,7\n", [0, 1, 2, 7]), ("5\n", [5]), ("\n", [])])
def test_parse_cpu_list(text: str, numbers: list[int]) -> None:
    assert parse_cpu_list(text) == numbers
