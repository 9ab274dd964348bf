"""`python -m cluster.doctor` as a user runs it: on one machine, on a cluster with an ailing node, and where no cluster answers."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cluster.doctor import main
from preprocess.synthetic import write_dataset
from tests.cluster.cluster_of_hosts import running_cluster
from tests.cluster.launch import TINY, options
from tests.hosts import can_make_namespaces
from tests.ray_nodes import ROOT, clean_environment

# The last host has fewer open files, little shared memory and, below it, a storage that it may only read.
AILING = """
ulimit -n 2000 &&
mount -t tmpfs -o size=96m tmpfs /dev/shm &&
mount --bind {storage} {storage} && mount -o remount,ro,bind {storage} &&
exec "$@"
"""


def doctor(arguments: Sequence[object], environment: Mapping[str, str], prefix: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    command = [*prefix, sys.executable, "-m", "cluster.doctor", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=dict(environment), timeout=150)


def findings(done: subprocess.CompletedProcess[str], check: str) -> list[dict[str, Any]]:
    return [finding for finding in json.loads(done.stdout)["findings"] if finding["check"] == check]


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["--model.filters", "0", "--json"], "model.filters = 0: "),
        (["--config", "/nowhere.toml"], "--config /nowhere.toml: no such file"),
        (["--jsn"], "--jsn: no such option"),
        (["--run.storage", "hdfs://x/y"], 'run.storage = "hdfs://x/y": '),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], fact: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    output, errors = capsys.readouterr()
    assert output == "" and errors.startswith(f"error: {fact}") and errors.count("\n") == 1


@pytest.mark.process
def test_one_machine_that_is_well(tmp_path: Path) -> None:
    """Everything is checked, and nothing is left behind."""
    write_dataset(tmp_path / "images", images=4, test=1)
    here = {"data.source": tmp_path / "images", "run.storage": tmp_path / "a" / "runs", "cluster.compile_cache": tmp_path / "programs"}
    environment = {**clean_environment(), "RAY_ADDRESS": "local", "PYTHONDONTWRITEBYTECODE": ""}
    done = doctor(["--json", *options({**TINY, **here, "train.steps": 10, "cluster.workers": 1})], environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1 and len(document["nodes"]) == 1
    checks = [finding["check"] for finding in document["findings"]]
    assert {"cluster", "token", "workers", "software", "cores", "memory", "object store", "open files", "bytecode"} <= set(checks)
    assert checks[-7:] == ["compile cache", "images", "storage", "room", "checkpoint", "time", "memory need"]
    (images,) = findings(done, "images")
    assert images["fact"] == f"{tmp_path}/images: 4 of A and 4 of B, readable"
    (checkpoint,) = findings(done, "checkpoint")
    assert checkpoint["figures"]["rate"]["low"] > 0
    (time,) = findings(done, "time")
    assert "`python -m cluster.calibrate`" in time["fact"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "programs"]


@pytest.mark.process
def test_a_cluster_that_does_not_answer_and_images_that_are_missing(tmp_path: Path) -> None:
    """What can be checked without Ray is checked all the same."""
    done = doctor(["--data.source", tmp_path / "none", "--run.storage", tmp_path], {**clean_environment(), "RAY_ADDRESS": "127.0.0.1:1"})
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "problem  cluster        RAY_ADDRESS = 127.0.0.1:1: nothing is listening there"
    assert lines[1] == f"{' ' * 24}→ start a Ray cluster, or set RAY_ADDRESS=local"
    assert f'problem  images         data.source = "{tmp_path}/none" does not exist' in lines
    assert any(line.startswith(f"ok       storage        run.storage = {tmp_path}: writable") for line in lines)
    assert lines[-1].startswith("2 problems, ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
@pytest.mark.skipif(not can_make_namespaces(), reason="network namespaces need root and iproute2")
def test_a_cluster_with_an_ailing_node(tmp_path: Path) -> None:
    read_only, shared = tmp_path / "read-only", tmp_path / "shared"
    read_only.mkdir()
    shared.mkdir()
    wrapper = ["sh", "-c", AILING.format(storage=read_only), "sh"]
    proxies = {"http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    with running_cluster(2, variables=proxies, last=wrapper) as cluster:
        well, ailing = (host.address for host in cluster.hosts)

        def run(storage: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
            here = {**TINY, "run.storage": storage, "cluster.workers": 2, "cluster.compile_cache": tmp_path / "programs"}
            return doctor([*arguments, *options(here)], cluster.environment, cluster.hosts[0].prefix)

        refused, accepted = run(read_only, "--json"), run(shared)

    assert (refused.returncode, refused.stderr) == (1, ""), refused.stdout + refused.stderr
    assert json.loads(refused.stdout)["nodes"] == [well, ailing]
    checks = ("storage", "open files", "object store")
    by_node = {check: {tuple(found["nodes"]): found["verdict"] for found in findings(refused, check)} for check in checks}
    assert by_node["storage"] == {(well,): "ok", (ailing,): "problem"}
    assert by_node["open files"] == {(well,): "ok", (ailing,): "warning"}
    assert by_node["object store"] == {(well,): "ok", (ailing,): "warning"}
    assert [f["fact"] for f in findings(refused, "storage")][1] == f"run.storage = {read_only} cannot be written to (Read-only file system)"
    assert list(read_only.iterdir()) == [] and list(shared.iterdir()) == []

    assert (accepted.returncode, accepted.stderr) == (0, ""), accepted.stdout + accepted.stderr
    lines = accepted.stdout.splitlines()
    starts = [
        "ok       cluster        a running Ray cluster: 2 nodes with 2 CPUs",
        "ok       token          the cluster refuses commands without its token",
        "ok       software       2 nodes: ringcycle ",
        f"warning  open files     {ailing}: limit 2,000, which many workers may exceed",
        f"warning  object store   {ailing}: 200 MiB for Ray's objects, /dev/shm has 96 MiB: Ray keeps them in files on a disk",
        f"warning  proxies        2 nodes: http_proxy set, but no_proxy does not name {well}, {ailing}: ",
        f"ok       storage        2 nodes: run.storage = {shared}: writable, replaces files atomically, ",
        "ok       network        2 nodes: ",
        "ok       clocks         within ",
    ]
    assert [start for start in starts if not any(line.startswith(start) for line in lines)] == []
