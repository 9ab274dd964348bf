from pathlib import Path

import pytest

from cluster.hardware.cgroup import cpu_quota
from cluster.hardware.cpu_tree import Core, read_cores
from cluster.hardware.topology import Share, largest_share, share_of, share_of_worker, workers_of_node
from tests.cluster.hardware.machines import machine


def shares(cores: list[Core], workers: int, cpus: int, quota: float | None = None) -> list[Share]:
    return [share_of_worker(cores, quota, index, workers, cpus) for index in range(workers)]


def xeon(tmp_path: Path) -> list[Core]:
    return read_cores(range(24), machine("xeon-gold-6128", tmp_path))


def plain(count: int) -> list[Core]:
    """Cores of one socket without hyperthreads."""
    return [Core(0, 0, (cpu,)) for cpu in range(count)]


def test_two_workers_on_two_sockets_of_xeon_gold_6128(tmp_path: Path) -> None:
    cores = xeon(tmp_path)
    assert workers_of_node(cores, cpu_quota(tmp_path)) == 2
    assert shares(cores, 2, 12) == [
        Share(compute=(0, 1, 2, 3, 4, 5), service=(12, 13, 14, 15, 16, 17), numa=(0,)),
        Share(compute=(6, 7, 8, 9, 10, 11), service=(18, 19, 20, 21, 22, 23), numa=(1,)),
    ]


def test_four_workers_on_four_numa_nodes_of_epyc_7251(tmp_path: Path) -> None:
    cores = read_cores(range(16), machine("epyc-7251", tmp_path))
    assert workers_of_node(cores, None) == 4
    assert shares(cores, 4, 4) == [Share((2 * i, 2 * i + 1), (2 * i + 8, 2 * i + 9), (i,)) for i in range(4)]


def test_two_visible_cores_in_a_cgroup_of_one(tmp_path: Path) -> None:
    root = machine("epyc-9004-guest-cgroup-of-1", tmp_path)
    cores, quota = read_cores([0, 1], root), cpu_quota(root)
    assert workers_of_node(cores, quota) == 1
    assert shares(cores, 1, 1, quota) == [Share(compute=(0,), service=(1,), numa=(0,))]
    assert shares(cores, 1, 2, quota) == [Share(compute=(0,), service=(1,), numa=(0,))]


def test_a_single_worker_spans_the_sockets(tmp_path: Path) -> None:
    assert shares(xeon(tmp_path), 1, 24) == [Share(tuple(range(12)), tuple(range(12, 24)), (0, 1))]


@pytest.mark.parametrize(("cpus", "compute"), [(12, (6, 7, 8, 9, 10, 11)), (10, (6, 7, 8, 9, 10)), (3, (6,)), (1, (6,))])
def test_cpus_that_ray_does_not_manage_stay_free(cpus: int, compute: tuple[int, ...], tmp_path: Path) -> None:
    share = shares(xeon(tmp_path), 2, cpus)[1]
    assert share.compute == compute
    assert share.service == tuple(cpu + 12 for cpu in compute)


def test_below_a_quota_cpus_count_time_and_not_hyperthreads(tmp_path: Path) -> None:
    """With a quota of 6 on 24 CPUs Ray has 6 CPUs, and each may be a full core's time."""
    cores = xeon(tmp_path)
    assert [s.compute for s in shares(cores, 1, 6, 6.0)] == [(0, 1, 2, 3, 4, 5)]
    assert [s.compute for s in shares(cores, 2, 3, 6.5)] == [(0, 1, 2), (6, 7, 8)]
    assert [s.compute for s in shares(cores, 2, 12, 6.0)] == [(0, 1, 2), (6, 7, 8)]
    assert [s.compute for s in shares(cores, 2, 1, 0.5)] == [(0,), (6,)]


@pytest.mark.parametrize(("quota", "workers"), [(None, 2), (24.0, 2), (12.0, 2), (11.9, 1), (4.0, 1), (0.5, 1)])
def test_a_quota_that_fills_one_numa_node_means_one_worker(quota: float | None, workers: int, tmp_path: Path) -> None:
    assert workers_of_node(xeon(tmp_path), quota) == workers


def test_workers_keep_to_their_numa_node_if_that_costs_no_worker_a_core(tmp_path: Path) -> None:
    machine("xeon-gold-6128", tmp_path)
    one_reserved = read_cores(set(range(24)) - {11, 23}, tmp_path)
    assert [s.compute for s in shares(one_reserved, 2, 12)] == [(0, 1, 2, 3, 4, 5), (6, 7, 8, 9, 10)]
    five_reserved = read_cores([0, 1, 2, 3, 4, 5, 6], tmp_path)
    assert [s.compute for s in shares(five_reserved, 2, 3)] == [(0, 1, 2), (3, 4, 5)]
    assert [s.compute for s in shares(xeon(tmp_path), 3, 8)] == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11)]


@pytest.mark.parametrize(("count", "compute", "service"), [(2, 2, (0, 1)), (7, 7, tuple(range(7))), (8, 7, (7,)), (12, 11, (11,))])
def test_without_hyperthreads_one_of_many_cores_is_spared(count: int, compute: int, service: tuple[int, ...]) -> None:
    assert shares(plain(count), 1, count) == [Share(tuple(range(compute)), service, (0,))]


@pytest.mark.parametrize(("workers", "quota", "compute", "cpus"), [(2, None, 6, 12), (1, None, 12, 24), (4, None, 3, 6), (2, 6.5, 3, 3)])
def test_the_fewest_cpus_that_give_the_largest_share(workers: int, quota: float | None, compute: int, cpus: int, tmp_path: Path) -> None:
    share, asked = largest_share(xeon(tmp_path), quota, workers)
    assert (len(share.compute), asked) == (compute, cpus)


def test_the_spared_core_belongs_to_the_largest_share() -> None:
    """Workers that asked for more than half of the CPUs would not fit."""
    assert largest_share(plain(16), None, 2) == (Share(tuple(range(7)), (7,), (0,)), 8)
    assert largest_share(plain(2), None, 1) == (Share((0, 1), (0, 1), (0,)), 2)


@pytest.mark.parametrize(("count", "workers"), [(12, 2), (7, 3), (2, 2), (5, 1)])
def test_shares_are_equal_and_disjoint(count: int, workers: int) -> None:
    dealt = [share_of(range(count), i, workers) for i in range(workers)]
    assert {len(s) for s in dealt} == {count // workers}
    assert len({core for s in dealt for core in s}) == workers * (count // workers)


def test_more_workers_than_cores_take_turns() -> None:
    assert [s.compute for s in shares(plain(2), 3, 1)] == [(0,), (1,), (0,)]
