"""Network policies, applied to packets: a training passes, and nobody else gets in."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.launch import SMALL, wait_for_metrics
from tests.k8s.packet_filter import can_filter
from tests.k8s.policies import HERE, MONITORING, Place
from tests.k8s.probes import connected, listening
from tests.k8s.rendered import kustomized, overlay, pods
from tests.k8s.running_overlay import running_overlay

pytestmark = [
    pytest.mark.process,
    pytest.mark.soak,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not can_filter(), reason="packets are filtered in network namespaces by iptables, which need root"),
]


def test_only_what_the_policies_allow_reaches_a_training(programs: Path, tmp_path: Path) -> None:
    second_run = pods(kustomized(tmp_path, resources=["overlays/xeon"], nameSuffix="-b"))
    outside = {
        "submitter": Place(HERE, pods(overlay("xeon"))["submitter"]["metadata"]["labels"]),
        "prometheus": Place(MONITORING, {"app.kubernetes.io/name": "prometheus"}),
        "trainer of another run": Place(HERE, second_run["trainers"]["metadata"]["labels"]),
        "another pod": Place(HERE),
        "outside": Place(),
    }
    values = {**SMALL, "train.steps": 300, "run.log_every": 1, "run.sample_every": 300, "evaluate.every": 0, "cluster.workers": 2}
    with running_overlay("xeon", programs, values, trainers=2, outside=outside) as cluster, cluster.submit() as submitted:
        wait_for_metrics(cluster.run, 20)
        for name in ("head", "trainers"):
            target, neighbour = cluster.pods[name].host, cluster.pods["trainers-2"].host
            ports = listening(target)
            assert connected(neighbour, target.address, ports) == ports and len(ports) > 5
            allowed = {"submitter": {8265} if name == "head" else set(), "prometheus": {8080}}
            for other, host in cluster.outside.items():
                assert connected(host, target.address, ports) == allowed.get(other, set()), f"{other} to {name}"
        stranger, server = cluster.outside["another pod"], "import http.server; http.server.test(port=9000)"
        with subprocess.Popen(
            [*stranger.prefix, sys.executable, "-u", "-c", server], stderr=subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout and b"9000" in process.stdout.readline()
            assert connected(cluster.outside["outside"], stranger.address, {9000}) == {9000}
            assert connected(cluster.pods["trainers"].host, stranger.address, {9000}) == set()
            process.kill()
        assert submitted.process.poll() is None, "the training was to go on meanwhile"
        output = submitted.end(0, seconds=500)
    assert "finished: 300 steps" in output
