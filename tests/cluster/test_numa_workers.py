import secrets
from pathlib import Path

import pytest
import ray

from cluster.config import Config, load_config
from cluster.numa_workers import with_workers, workers_here


def test_a_number_that_is_given_stays() -> None:
    config = load_config(["--cluster.workers", "3"], {})
    assert with_workers(config, joined=True, gpu=False) is config


def test_the_default_counts_as_one_until_the_nodes_are_known() -> None:
    assert (Config().cluster.workers, Config().cluster.least, Config().global_batch) == (0, 1, 1)


@pytest.mark.process
def test_nodes_are_asked_for_their_numa_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text(secrets.token_hex(32))
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    # A node that gives Ray many CPUs counts its NUMA nodes, not its CPUs.
    ray.init("local", num_cpus=64, include_dashboard=False, logging_level="ERROR", log_to_driver=False, object_store_memory=2**27)
    try:
        for joined in (False, True):
            config = with_workers(Config(), joined=joined, gpu=False)
            assert config.cluster.workers == workers_here()
            assert config.model_copy(update={"cluster": Config().cluster}) == Config()
        assert with_workers(Config(), joined=True, gpu=True).cluster.workers == 1, "no GPU: what a run then says is cpus_of_workers' affair"
    finally:
        ray.shutdown()
