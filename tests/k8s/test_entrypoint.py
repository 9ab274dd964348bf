"""The entrypoint of the rendered RayJob, run by `ray job submit` on a real cluster of a head and a worker node."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from preprocess.synthetic import write_dataset
from tests.cluster.launch import SMALL
from tests.ray_nodes import RAY, answer, clean_environment, free_ports, start_node, wait_for

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Cluster:
    """A running cluster, and what a client needs to reach it."""

    dashboard: str
    environment: dict[str, str]
    storage: Path


@pytest.fixture
def cluster(documents: dict[str, Any], fill_image: Callable[[Path], None], programs: Path) -> Iterator[Cluster]:
    """Started as KubeRay starts it: in the image's working directory, with the pods' variables, a token and a head without CPUs."""
    spec = documents["RayJob"]["spec"]["rayClusterSpec"]
    head = spec["headGroupSpec"]
    container = head["template"]["spec"]["containers"][0]
    health = container["livenessProbe"]["httpGet"]["path"]
    gcs, dashboard, client, head_agent, worker_agent = free_ports(5)
    # A short path, since paths of Unix sockets have at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="k8s") as folder, ExitStack() as nodes:
        root = Path(folder)
        image, storage = root / "image", root / "storage"
        image.mkdir()
        fill_image(image)
        here = {"data.source": storage / "data", "run.storage": storage / "runs", "cluster.compile_cache": programs}
        length = {"cluster.workers": 1, "train.steps": 2, "run.checkpoint_every": 1, "run.sample_every": 2}
        environment = {
            **clean_environment(),
            "PYTHONPATH": str(image),
            "RAY_AUTH_MODE": spec["authOptions"]["mode"],
            **{variable["name"]: variable["value"] for variable in container["env"]},
            **{f"RINGCYCLE_{name.replace('.', '__').upper()}": str(value) for name, value in {**SMALL, **here, **length}.items()},
        }

        def start(name: str, agent: int, *options: str) -> None:
            words = [f"--dashboard-agent-listen-port={agent}", *options]
            node = start_node(root / f"{name}.log", environment, words, folder=image)
            nodes.callback(node.kill)
            wait_for(f"http://127.0.0.1:{agent}{health}", node)

        bound = [f"--port={gcs}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"]
        start("head", head_agent, "--head", *bound, f"--temp-dir={root / 'ray'}", f"--num-cpus={head['rayStartParams']['num-cpus']}")
        start("worker", worker_agent, f"--address=127.0.0.1:{gcs}", "--num-cpus=2")
        yield Cluster(f"http://127.0.0.1:{dashboard}", environment, storage)


def test_the_rendered_entrypoint_trains(cluster: Cluster, documents: dict[str, Any]) -> None:
    assert answer(f"{cluster.dashboard}/api/jobs/") == 401, "submitting must require the token"
    job = documents["RayJob"]
    write_dataset(cluster.storage / "data", images=6, test=2, size=40, seed=0)
    # Like KubeRay, paste the entrypoint unquoted into a bash command.
    submit = f"{RAY} job submit --address {cluster.dashboard} --submission-id {job['metadata']['name']} -- {job['spec']['entrypoint']}"
    submitted = subprocess.run(["bash", "-ce", submit], env=cluster.environment, capture_output=True, text=True, timeout=500)
    assert submitted.returncode == 0, submitted.stdout[-8000:] + submitted.stderr[-2000:]
    assert f"Job '{job['metadata']['name']}' succeeded" in submitted.stdout
    assert any((cluster.storage / "runs/ringcycle/checkpoints").iterdir())
