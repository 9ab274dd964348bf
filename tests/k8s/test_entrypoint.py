"""The entrypoint of a rendered RayJob on a real cluster: a host for each pod, Ray started with the pod's own parameters and variables."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from preprocess.synthetic import write_dataset
from tests.cluster.launch import SMALL, wait_for_step
from tests.hosts import Host, running_hosts
from tests.k8s.rendered import Document, fill_image, of_kind, overlay, pods
from tests.ray_nodes import RAY, Node, clean_environment, free_ports, start_node

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

ASK = """
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=15).status)
except urllib.error.HTTPError as error:
    print(error.code)
except OSError:
    print(0)
"""


@dataclass
class Pod:
    """A pod of the cluster: the host in its place, its group of the RayJob, and the variables of its container."""

    host: Host
    group: Document
    made: Document
    environment: dict[str, str]

    def answer(self, url: str) -> int:
        """HTTP status of a request from this pod without a token, 0 if nothing listens."""
        done = subprocess.run([*self.host.prefix, sys.executable, "-c", ASK, url], capture_output=True, text=True, timeout=30)
        return int(done.stdout)


class Cluster:
    """One pod of each group of a rendered RayJob, all of which see `storage`."""

    def __init__(self, job: Document, pods: dict[str, Pod], root: Path) -> None:
        self.job, self.pods, self.storage = job, pods, root / "storage"
        self.nodes: dict[str, Node] = {}
        self._root = root
        # The manifest's own ports, which hosts without a network of their own would share.
        shared = not pods["head"].host.name
        names = ("port", "dashboard-port", "dashboard-agent-listen-port", "metrics-export-port", "ray-client-server-port")
        self._ports = dict(zip(names, free_ports(5) if shared else (6379, 8265, 52365, 8080, 10001), strict=True))
        self._shared = shared
        self.dashboard = f"http://{pods['head'].host.address}:{self._ports['dashboard-port']}"

    def start(self, name: str) -> None:
        """Start a pod's Ray with the options that KubeRay makes from its group (common/pod.go), and wait until its probe succeeds."""
        pod, head = self.pods[name], self.pods["head"].host
        container = pod.made["spec"]["containers"][0]
        ports = dict(self._ports)
        if self._shared and name != "head":
            ports |= dict(zip(("dashboard-agent-listen-port", "metrics-export-port"), free_ports(2), strict=True))
        memory = int(container["resources"]["limits"]["memory"].removesuffix("Gi")) * 2**30
        agents = {key: ports[key] for key in ("dashboard-agent-listen-port", "metrics-export-port")}
        given = {**agents, "memory": memory, "node-ip-address": pod.host.address, **pod.group["rayStartParams"]}
        if name == "head":
            given |= ports | {"dashboard-host": "0.0.0.0", "temp-dir": self._root / "ray"}
        else:
            given["address"] = f"{head.address}:{ports['port']}"
        words = [*(["--head"] if name == "head" else []), *(f"--{key}={value}" for key, value in given.items())]
        probe = container["readinessProbe"]
        url = f"http://127.0.0.1:{ports['dashboard-agent-listen-port']}{probe['httpGet']['path']}"
        deadline = time.monotonic() + probe["failureThreshold"] * probe["periodSeconds"]
        node = None
        while node is None or pod.answer(url) != 200:
            if node is None or node.process.poll() is not None:  # Kubernetes too restarts it: a busy machine misses Ray's time limits
                if node:
                    node.kill()  # what it has left
                log = self._root / f"{name}-{time.monotonic_ns()}.log"
                node = self.nodes[name] = start_node(log, pod.environment, words, pod.host.prefix, self._root / "image")
            if time.monotonic() > deadline:
                pytest.fail(f"the pod {name} did not become ready:\n{node.log.read_text()}")
            time.sleep(0.3)

    def submit(self) -> subprocess.Popen[str]:
        """As KubeRay's submitter: with the entrypoint unquoted in a bash command."""
        head = self.pods["head"]
        name, entrypoint = self.job["metadata"]["name"], self.job["spec"]["entrypoint"]
        words = f"{RAY} job submit --address {self.dashboard} --submission-id {name} -- {entrypoint}"
        return subprocess.Popen(
            [*head.host.prefix, "bash", "-ce", words], env=head.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def stop(self) -> None:
        """End all pods, the head last."""
        for node in reversed(self.nodes.values()):
            node.kill()


def variables(made: Document, root: Path) -> dict[str, str]:
    """A Ray container's variables, as Kubernetes sets them. Its volumes lie in `root`."""
    labels = {f"metadata.labels['{name}']": value for name, value in made["metadata"]["labels"].items()}
    listed = made["spec"]["containers"][0]["env"]
    values = {v["name"]: v["value"] if "value" in v else labels[v["valueFrom"]["fieldRef"]["fieldPath"]] for v in listed}
    mounts = [mount["mountPath"] for mount in made["spec"]["containers"][0]["volumeMounts"]]
    return {n: f"{root}{v}" if any(v == m or v.startswith(f"{m}/") for m in mounts) else v for n, v in values.items()}


@contextmanager
def running_overlay(name: str, programs: Path, overrides: Mapping[str, object]) -> Iterator[Cluster]:
    """One pod of each group of an overlay, on hosts of their own."""
    documents = overlay(name)
    (job,) = of_kind(documents, "RayJob")
    spec, made = job["spec"]["rayClusterSpec"], pods(documents)
    groups = {"head": spec["headGroupSpec"], **{group["groupName"]: group for group in spec["workerGroupSpecs"]}}
    # A short path, since paths of Unix sockets have at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="k8s", ignore_cleanup_errors=True) as folder, ExitStack() as stack:
        root = Path(folder)
        for part in ("image", "storage", "home/ringcycle"):
            (root / part).mkdir(parents=True)
        fill_image(root / "image", documents)
        shutil.copytree(programs, root / "storage/cache")  # what earlier runs have compiled
        os.chmod(root / "storage/cache", 0o700)
        here = {"data.source": root / "storage/data", "run.storage": root / "storage/runs", **overrides}
        common = {
            **clean_environment(),
            "PYTHONPATH": str(root / "image"),
            "RAY_AUTH_MODE": spec["authOptions"]["mode"],
            **{f"RINGCYCLE_{field.replace('.', '__').upper()}": str(value) for field, value in here.items()},
        }
        hosts = stack.enter_context(running_hosts(len(groups)))
        running = {
            group: Pod(host, parameters, made[group], {**common, **variables(made[group], root)})
            for (group, parameters), host in zip(groups.items(), hosts, strict=True)
        }
        cluster = Cluster(job, running, root)
        stack.callback(cluster.stop)
        write_dataset(cluster.storage / "data", images=6, test=2, size=40, seed=0)
        for group in groups:  # one after the other: two that start at once would take the same names in their common folder
            cluster.start(group)
        yield cluster


LENGTH = {"train.steps": 2, "run.checkpoint_every": 1, "run.sample_every": 2, "evaluate.every": 0}


@pytest.mark.parametrize(
    ("name", "workers"),
    [("laptop", "1"), *(pytest.param(*one, marks=pytest.mark.soak) for one in (("xeon", "1"), ("elastic", "[1, 2]"), ("kueue", "1")))],
)
def test_the_rendered_entrypoint_trains(name: str, workers: str, programs: Path) -> None:
    short = {"cluster.workers": workers, "cluster.start_timeout": 5, "cluster.node_timeout": 5}  # a range begins with what is there
    with running_overlay(name, programs, {**SMALL, **LENGTH, **short}) as cluster:
        assert cluster.pods["trainers"].answer(f"{cluster.dashboard}/api/jobs/") == 401, "submitting must require the token"
        submitted = cluster.submit()
        output, _ = submitted.communicate(timeout=500)
        assert submitted.returncode == 0, output[-8000:]
        assert f"Job '{cluster.job['metadata']['name']}' succeeded" in output
        assert f"on {cluster.pods['trainers'].host.address}" in output, "the worker is not in the trainers' pod"
        run = cluster.storage / "runs" / cluster.job["metadata"]["name"]
        assert any((run / "checkpoints").iterdir())
        assert any(path.is_file() for path in (cluster.storage / "cache").rglob("*")), "compiled programs are not on the claim"


@pytest.mark.soak
def test_a_killed_pod_is_replaced_and_the_run_ends_well(programs: Path) -> None:
    longer = {**SMALL, **LENGTH, "train.steps": 150, "run.checkpoint_every": 10, "cluster.workers": 1}
    with running_overlay("kueue", programs, longer) as cluster:
        submitted = cluster.submit()
        wait_for_step(cluster.storage / "runs" / cluster.job["metadata"]["name"], 20)
        cluster.nodes["trainers"].kill()
        cluster.start("trainers")
        output, _ = submitted.communicate(timeout=500)
        assert submitted.returncode == 0, output[-8000:]
        assert "recovered in" in output and "finished: 150 steps" in output
