import pytest
import ray

from cluster.config import Config
from cluster.hardware.capacity import ask_nodes, usable_nodes
from cluster.hardware.default_workers import default_workers, default_workers_here
from ringcycle.ray_start import start_ray


def test_the_default_counts_as_one_until_the_nodes_are_known() -> None:
    assert (Config().cluster.workers, Config().cluster.least, Config().global_batch) == (0, 1, 1)
    config = Config().with_workers(3)
    assert (config.cluster.workers, config.cluster.least, config.global_batch) == (3, 3, 3)
    assert config.model_copy(update={"cluster": Config().cluster}) == Config()


@pytest.mark.process
def test_nodes_are_asked_for_their_numa_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "local")
    start_ray(num_cpus=64)  # a node that gives Ray many CPUs counts its NUMA nodes, not its CPUs
    try:
        for joined in (False, True):
            assert default_workers(joined=joined, gpu=False) == default_workers_here()
        (here,) = usable_nodes()
        lost = {**here, "NodeID": "1" * len(here["NodeID"])}
        answers = ask_nodes(ray.remote(num_cpus=0)(default_workers_here), [lost, here])
        assert answers == [(here, default_workers_here())], "a lost node is left out"
        assert default_workers(joined=True, gpu=True) == 1, "no GPU: cpus_of_workers reports that"
    finally:
        ray.shutdown()
