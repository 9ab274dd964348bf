"""A rendered RayJob on a real cluster: a host for each pod, Ray started with the pod's own parameters and variables."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from preprocess.synthetic import write_dataset
from tests.cluster.launch import Running
from tests.hosts import Host, running_hosts
from tests.k8s.packet_filter import filter_packets
from tests.k8s.policies import HERE, Place
from tests.k8s.probes import answer
from tests.k8s.rendered import Document, fill_image, of_kind, overlay, pods
from tests.ray_nodes import RAY, Node, clean_environment, free_ports, start_node

SHELL = ("/bin/bash", "-c", 'true; "$0" "$@"')
"""As KubeRay starts Ray: signals reach Ray because bash replaces itself by the last command."""


@dataclass
class Pod:
    """A pod of the cluster: the host in its place, its group of the RayJob, and the variables of its container."""

    host: Host
    group: Document
    made: Document
    environment: dict[str, str]


class Cluster:
    """Pods of a rendered RayJob, all of which see `storage`. outside: other hosts, by name."""

    def __init__(self, job: Document, pods: dict[str, Pod], root: Path, outside: dict[str, Host]) -> None:
        self.job, self.pods, self.outside, self.storage = job, pods, outside, root / "storage"
        self.run = self.storage / "runs" / job["metadata"]["name"]
        self._submitter = outside.get("submitter", pods["head"].host)
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
        while node is None or answer(pod.host, url) != 200:
            if node is None or node.process.poll() is not None:  # Kubernetes too restarts it: a busy machine misses Ray's time limits
                if node:
                    node.kill()  # what it has left
                log = self._root / f"{name}-{time.monotonic_ns()}.log"
                node = self.nodes[name] = start_node(log, pod.environment, words, [*pod.host.prefix, *SHELL], self._root / "image")
            if time.monotonic() > deadline:
                pytest.fail(f"the pod {name} did not become ready:\n{node.log.read_text()}")
            time.sleep(0.3)

    def submit(self) -> Running:
        """As KubeRay's submitter: with the entrypoint unquoted in a bash command."""
        name, entrypoint = self.job["metadata"]["name"], self.job["spec"]["entrypoint"]
        words = f"{RAY} job submit --address {self.dashboard} --submission-id {name} -- {entrypoint}"
        return Running([*self._submitter.prefix, "bash", "-ce", words], self.pods["head"].environment)

    def terminate(self, name: str) -> None:
        """End a pod as a node that is drained does: SIGTERM, then SIGKILL after the pod's grace period. Fails if that is needed."""
        node, grace = self.nodes[name], self.pods[name].made["spec"]["terminationGracePeriodSeconds"]
        node.process.send_signal(signal.SIGTERM)
        try:
            node.process.wait(grace)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the pod {name} had to be killed after {grace} s:\n{node.log.read_text()}")
        finally:
            node.kill()  # what it has left

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
def running_overlay(
    name: str, programs: Path, overrides: Mapping[str, object], trainers: int = 1, outside: Mapping[str, Place] | None = None
) -> Iterator[Cluster]:
    """A pod of each group of an overlay, or so many trainers, started on hosts of their own. The second has the name "trainers-2".

    outside: places around the cluster, on hosts too; one named "submitter" submits the job. If there are any, the cluster's hosts let
    through only what the network policies allow.
    """
    documents = overlay(name)
    (job,) = of_kind(documents, "RayJob")
    spec, made = job["spec"]["rayClusterSpec"], pods(documents)
    groups = {"head": spec["headGroupSpec"], **{group["groupName"]: group for group in spec["workerGroupSpecs"]}}
    kinds = {group: group for group in groups} | {f"trainers-{i}": "trainers" for i in range(2, trainers + 1)}
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
        outside = outside or {}
        hosts = stack.enter_context(running_hosts(len(kinds) + len(outside)))
        running = {
            pod: Pod(host, groups[kind], made[kind], {**common, **variables(made[kind], root)})
            for (pod, kind), host in zip(kinds.items(), hosts[: len(kinds)], strict=True)
        }
        others = dict(zip(outside, hosts[len(kinds) :], strict=True))
        if outside:
            placed = {pod: Place(HERE, made[kind]["metadata"]["labels"], running[pod].host.address) for pod, kind in kinds.items()}
            placed |= {other: replace(place, address=others[other].address) for other, place in outside.items()}
            for pod in running:
                filter_packets(running[pod].host, placed[pod], list(placed.values()), of_kind(documents, "NetworkPolicy"))
        cluster = Cluster(job, running, root, others)
        stack.callback(cluster.stop)
        write_dataset(cluster.storage / "data", images=6, test=2, size=40, seed=0)
        for pod in running:  # one after the other: two that start at once would take the same names in their common folder
            cluster.start(pod)
        yield cluster
