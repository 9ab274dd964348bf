"""The sizes of pods, from a configuration and the memory of its programs."""

import pytest

from cluster.config import Config
from cluster.kubernetes.sizes import GIB, PodSizes, check_node, pod_sizes
from ringcycle.errors import UserError

STATE, PASSES = 300 * 2**20, 3 * GIB


def config(**sections: dict[str, object]) -> Config:
    given = {**sections, "cluster": {"workers": 4, "cpus_per_worker": 15, **sections.get("cluster", {})}}
    return Config.model_validate(given)


def test_a_pod_has_the_workers_cpus_and_one_for_ray() -> None:
    sizes = pod_sizes(config(), STATE, PASSES)
    assert (sizes.least, sizes.most, sizes.ray_cpus, sizes.cpus) == (4, 4, 15, 16)
    assert sizes.describe() == f"4 workers, a pod each: 16 CPUs, {sizes.memory // GIB} GiB"


def test_a_range_of_workers() -> None:
    sizes = pod_sizes(config(cluster={"workers": [2, 8]}), STATE, PASSES)
    assert (sizes.least, sizes.most) == (2, 8)
    assert sizes.describe().startswith("2 to 8 workers, a pod each: ")


def test_memory_is_more_than_the_parts_and_follows_the_programs() -> None:
    sizes = pod_sizes(config(), STATE, PASSES)
    assert sizes.memory % GIB == 0
    assert sizes.memory > PASSES + 2 * STATE + sizes.store
    assert pod_sizes(config(), STATE, PASSES + 4 * GIB).memory - sizes.memory in (4 * GIB, 5 * GIB)
    assert pod_sizes(config(evaluate={"every": 0}), STATE, PASSES).memory < sizes.memory


def test_the_object_store_follows_what_is_read_ahead() -> None:
    assert pod_sizes(config(), STATE, PASSES).store == GIB
    assert pod_sizes(config(data={"read_ahead_mb": 1024}), STATE, PASSES).store == 4 * GIB


@pytest.mark.parametrize(
    ("places", "home"),
    [
        ({"run": {"storage": "/storage/runs"}}, 1),
        ({"run": {"storage": "s3://bucket/runs"}}, 21),
        ({"run": {"storage": "s3://bucket/runs"}, "data": {"shards": "/storage/shards"}}, 1),
        ({"run": {"storage": "/storage/runs"}, "data": {"shards": "gs://bucket/shards", "cache_gb": 3.5}}, 5),
    ],
)
def test_the_home_folder_holds_cached_shards(places: dict[str, dict[str, object]], home: int) -> None:
    assert pod_sizes(config(**places), STATE, PASSES).home == home * GIB


@pytest.mark.parametrize(("field", "fact"), [("workers", "nodes that are not there"), ("cpus_per_worker", "pods that are not there")])
def test_what_the_cluster_would_decide_is_refused(field: str, fact: str) -> None:
    with pytest.raises(UserError, match=rf"^cluster\.{field} = 0 .*{fact}.*: give "):
        pod_sizes(config(cluster={field: 0}), STATE, PASSES)


def test_a_pod_that_fits_no_node_is_refused() -> None:
    sizes = PodSizes(4, 4, 16, 15, 14 * GIB, GIB, GIB)
    check_node(sizes, (16, 14 * GIB))
    check_node(sizes, None)
    with pytest.raises(UserError, match=r"^cluster.cpus_per_worker = 15 takes a pod of 16 CPUs, but a node has 12: use 11 or fewer$"):
        check_node(sizes, (12, 64 * GIB))
    with pytest.raises(UserError, match=r"^a worker takes 14 GiB, but a node has 13\.5: use a smaller train.batch"):
        check_node(sizes, (16, int(13.5 * GIB)))
