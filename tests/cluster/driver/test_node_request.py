"""The driver asks a real autoscaler (version 2, whose nodes are processes here) for the nodes of a full group, and lets them go."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ray_nodes import ROOT, clean_environment, free_ports, start_node, wait_for

pytestmark = [pytest.mark.process, pytest.mark.soak, pytest.mark.timeout(600)]

HEAD = "fffffffffffffffffffffffffffffffffffffffffffffffffff00000"  # the id by which Ray's fake provider knows the head
HEAD_TYPE = "ray.head.default"  # and the name that it gives the head's type
FAKE = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"  # its short name needs a file that Ray does not ship
DRIVER = """
import time, ray
from cluster.config import ClusterConfig
from cluster.driver.node_request import requested_nodes

ray.init(log_to_driver=False, logging_level="error")

def wait_for(count):
    deadline = time.monotonic() + 240
    while sum(node["Alive"] and node["Resources"].get("CPU") == 2 for node in ray.nodes()) != count:
        assert time.monotonic() < deadline, ray.nodes()
        time.sleep(0.5)

wait_for(0)
with requested_nodes(ClusterConfig(workers=(1, 2), cpus_per_worker=2), gpu=False):
    wait_for(2)
    time.sleep(20)  # idle, but asked for
    wait_for(2)
wait_for(0)
print("as many as asked for")
"""


def autoscaling(gcs: str) -> dict[str, object]:
    """A configuration of Ray's autoscaler: up to four nodes of two CPUs, which go when they were idle for six seconds."""
    lists = ["rsync_exclude", "rsync_filter", "initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands"]
    lists += ["head_start_ray_commands", "worker_start_ray_commands", "cluster_synced_files"]
    return {
        "cluster_name": "test",
        "max_workers": 4,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 0.1,
        "provider": {"type": "external", "module": FAKE, "head_node_id": HEAD, "gcs_address": gcs, "launch_multiple": True},
        "auth": {},
        "docker": {},
        "file_mounts": {},
        "file_mounts_sync_continuously": False,
        **{name: [] for name in lists},
        "head_node_type": HEAD_TYPE,
        "available_node_types": {
            HEAD_TYPE: {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "worker": {"resources": {"CPU": 2, "object_store_memory": 10**8}, "node_config": {}, "min_workers": 0, "max_workers": 4},
        },
    }


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, since paths of Unix sockets have at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="rc", ignore_cleanup_errors=True) as made:
        yield Path(made)


def test_the_autoscaler_adds_the_nodes_of_a_full_group_and_removes_them_afterwards(folder: Path) -> None:
    gcs, dashboard, client, agent = free_ports(4)
    config = folder / "autoscaling.json"
    config.write_text(json.dumps(autoscaling(f"127.0.0.1:{gcs}")))
    environment = {
        **clean_environment(),
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "RAY_FAKE_CLUSTER": "1",
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": HEAD,
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD,
        "RAY_ADDRESS": f"127.0.0.1:{gcs}",
    }
    ports = [
        f"--port={gcs}",
        f"--dashboard-port={dashboard}",
        f"--ray-client-server-port={client}",
        f"--dashboard-agent-listen-port={agent}",
    ]
    options = [
        "--head",
        "--num-cpus=0",
        "--node-ip-address=127.0.0.1",
        f"--autoscaling-config={config}",
        f"--temp-dir={folder / 'ray'}",
        *ports,
    ]
    head = start_node(folder / "head.log", environment, options)
    try:
        wait_for(f"http://127.0.0.1:{agent}/api/healthz", head)
        driver = subprocess.run([sys.executable, "-c", DRIVER], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=500)
    finally:
        head.kill()
    assert driver.stdout.splitlines()[-1:] == ["as many as asked for"], driver.stderr[-4000:]
