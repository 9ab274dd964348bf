"""Workers reach each other directly, whatever proxies the environment names."""

from pathlib import Path

import pytest

from tests.cluster.cluster_of_hosts import running_cluster
from tests.cluster.launch import Launch, small_run
from tests.hosts import can_make_namespaces
from tests.ray_nodes import clean_environment

CLOSED = "http://127.0.0.1:9"
PROXIES = {name: CLOSED for lower in ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy") for name in (lower, lower.upper())}
VALUES = {"run.name": "proxied", "train.steps": 4, "run.checkpoint_every": 4}


@pytest.mark.process
def test_two_workers_train_where_a_proxy_is_set(tmp_path: Path, programs: Path) -> None:
    with Launch(small_run(tmp_path, programs, VALUES), {**clean_environment(), **PROXIES, "RAY_ADDRESS": "local"}) as launch:
        output = launch.end(0, seconds=500)
    assert "finished: 4 steps" in output
    assert "restarting the workers" not in output


@pytest.mark.soak
@pytest.mark.skipif(not can_make_namespaces(), reason="network namespaces need root and iproute2")
def test_two_hosts_train_where_a_proxy_is_set(tmp_path: Path, programs: Path) -> None:
    with (
        running_cluster(2, variables=PROXIES) as cluster,
        Launch(small_run(tmp_path, programs, VALUES), cluster.environment, cluster.hosts[0].prefix) as launch,
    ):
        output = launch.end(0, seconds=500)
    assert "finished: 4 steps" in output
    assert "restarting the workers" not in output
