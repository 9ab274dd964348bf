import pytest
import ray

from cluster.config import Config, load_config
from cluster.hardware.ask_nodes import ask_nodes
from cluster.hardware.capacity import usable_nodes
from cluster.hardware.default_workers import with_workers, workers_here
from ringcycle.ray_start import start_ray


def test_a_number_that_is_given_stays() -> None:
    config = load_config(["--cluster.workers", "3"], {})
    assert with_workers(config, joined=True, gpu=False) is config


def test_the_default_counts_as_one_until_the_nodes_are_known() -> None:
    assert (Config().cluster.workers, Config().cluster.least, Config().global_batch) == (0, 1, 1)


@pytest.mark.process
def test_nodes_are_asked_for_their_numa_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "local")
    start_ray(num_cpus=64)  # a node that gives Ray many CPUs counts its NUMA nodes, not its CPUs
    try:
        for joined in (False, True):
            config = with_workers(Config(), joined=joined, gpu=False)
            assert config.cluster.workers == workers_here()
            assert config.model_copy(update={"cluster": Config().cluster}) == Config()
        (here,) = usable_nodes()
        lost = {**here, "NodeID": "1" * len(here["NodeID"])}
        assert ask_nodes(ray.remote(num_cpus=0)(workers_here), [lost, here]) == [(here, workers_here())], "a lost node must not count"
        assert with_workers(Config(), joined=True, gpu=True).cluster.workers == 1, "without a GPU, cpus_of_workers reports the error"
    finally:
        ray.shutdown()
