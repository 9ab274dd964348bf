"""The entrypoint of the rendered RayJob, run for real by `ray job submit` on a cluster of a head and a worker node."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from preprocess.synthetic import write_dataset

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]
RAY = str(Path(sys.executable).with_name("ray"))


@dataclass(frozen=True)
class Cluster:
    """A running cluster and what a client needs to reach it."""

    dashboard: str
    environment: dict[str, str]
    storage: Path


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago; held together, so that all differ."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def answer(url: str) -> int:
    """HTTP status of a request without a token; 0 if nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=15) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def wait_until_well(url: str, node: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while answer(url) != 200:
        if node.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"a Ray node did not come up:\n{log.read_text()}")
        time.sleep(0.5)


def stop(node: subprocess.Popen[bytes]) -> None:
    """End one node and its processes by their group: `ray stop` would end every cluster on this machine."""
    node.terminate()
    with suppress(subprocess.TimeoutExpired):
        node.wait(30)
    with suppress(ProcessLookupError):
        os.killpg(node.pid, signal.SIGKILL)
    node.wait(30)


@pytest.fixture
def cluster(documents: dict[str, Any], fill_image: Callable[[Path], None]) -> Iterator[Cluster]:
    """Started as KubeRay does: in the image's working directory, with the pods' variables, a token and a head without CPUs."""
    spec = documents["RayJob"]["spec"]["rayClusterSpec"]
    head = spec["headGroupSpec"]
    container = head["template"]["spec"]["containers"][0]
    health = container["livenessProbe"]["httpGet"]["path"]
    gcs, dashboard, client, head_agent, worker_agent = free_ports(5)
    # Short, since paths of Unix sockets have at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="k8s") as folder, ExitStack() as nodes:
        root = Path(folder)
        image, storage = root / "image", root / "storage"
        image.mkdir()
        fill_image(image)
        small = {"MODEL__FILTERS": 4, "MODEL__BLOCKS": 1, "MODEL__DISCRIMINATOR_FILTERS": 4, "DATA__LOAD_SIZE": 36, "DATA__CROP_SIZE": 32}
        here = {"DATA__SOURCE": storage / "data", "RUN__STORAGE": storage / "runs"}
        length = {"CLUSTER__WORKERS": 1, "TRAIN__STEPS": 2, "RUN__CHECKPOINT_EVERY": 1, "RUN__SAMPLE_EVERY": 2}
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
            "PATH": f"{Path(RAY).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(image),
            "RAY_AUTH_MODE": spec["authOptions"]["mode"],
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            **{variable["name"]: variable["value"] for variable in container["env"]},
            **{f"RINGCYCLE_{name}": str(value) for name, value in (small | here | length).items()},
        }

        def start(name: str, agent: int, *options: str) -> None:
            store = f"--object-store-memory={200 * 2**20}"
            command = [RAY, "start", "--block", f"--dashboard-agent-listen-port={agent}", store, "--disable-usage-stats", *options]
            log = root / f"{name}.log"
            with log.open("wb") as out:
                node = subprocess.Popen(command, cwd=image, env=environment, stdout=out, stderr=out, start_new_session=True)
            nodes.callback(stop, node)
            wait_until_well(f"http://127.0.0.1:{agent}{health}", node, log)

        bound = [f"--port={gcs}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"]
        start("head", head_agent, "--head", *bound, f"--temp-dir={root / 'ray'}", f"--num-cpus={head['rayStartParams']['num-cpus']}")
        start("worker", worker_agent, f"--address=127.0.0.1:{gcs}", "--num-cpus=2")
        yield Cluster(f"http://127.0.0.1:{dashboard}", environment, storage)


def test_the_rendered_entrypoint_trains(cluster: Cluster, documents: dict[str, Any]) -> None:
    assert answer(f"{cluster.dashboard}/api/jobs/") == 401, "without the token nobody may submit"
    job = documents["RayJob"]
    write_dataset(cluster.storage / "data", pictures=6, test=2, size=40, seed=0)
    # KubeRay too pastes the entrypoint, unquoted, into a command of bash.
    submit = f"{RAY} job submit --address {cluster.dashboard} --submission-id {job['metadata']['name']} -- {job['spec']['entrypoint']}"
    submitted = subprocess.run(["bash", "-ce", submit], env=cluster.environment, capture_output=True, text=True, timeout=500)
    assert submitted.returncode == 0, submitted.stdout[-8000:] + submitted.stderr[-2000:]
    assert f"Job '{job['metadata']['name']}' succeeded" in submitted.stdout
    assert any((cluster.storage / "runs/ringcycle/checkpoints").iterdir())
