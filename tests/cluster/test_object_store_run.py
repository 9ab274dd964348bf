"""A job reads and writes everything in an object store that fails every fifth request. It is stopped and resumed."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cluster.driver.run_metrics import GAUGES
from cluster.paths import checkpoints_of
from cyclegan.checkpoint_files.folders import checkpoints, verify
from cyclegan.checkpoint_files.names import step_of
from cyclegan.inference.generator_checkpoint import read_generators
from preprocess.synthetic import write_dataset
from ringcycle.storage.location import Location, child
from ringcycle.storage.store import Store, parent_and_name
from tests.cluster.jobs import job, submit
from tests.cluster.launch import SMALL, WORKER, options
from tests.preprocess.object_store import ObjectStore, object_store
from tests.ray_nodes import ROOT, Head

pytestmark = pytest.mark.process


def upload(images: Path, server: ObjectStore) -> None:
    for file in sorted(images.glob("*/*.jpg")):
        store, name = parent_and_name(child(server.uri("images"), f"{file.parent.name}/{file.name}"))
        store.write(name, file.read_bytes())


def test_a_job_trains_in_a_bucket_and_stops(head: Head, programs: Path, tmp_path: Path) -> None:
    """`ray job submit`, then `ray job stop`."""
    write_dataset(tmp_path / "images", images=12, test=1, size=72)
    with object_store() as server:
        upload(tmp_path / "images", server)
        server.flaky.fails = lambda number: number % 5 == 0
        run = Store(server.uri("runs/bucket"))
        locations = {"data.source": server.uri("images"), "data.cache": tmp_path / "cache", "run.storage": server.uri("runs")}
        here = {"run.name": "bucket", "cluster.compile_cache": programs, "run.sample_every": 10}
        length = {"cluster.workers": 1, "train.steps": 100_000, "run.checkpoint_every": 10, "run.log_every": 1}
        submit(head, "bucket", "--no-wait", *options({**SMALL, **locations, **here, **length}))
        wait_for_checkpoint(run, 10)
        exported = wait_for_exported(head, "bucket", "checkpoint_step", 10)
        job(head, "stop", "bucket")
        assert server.flaky.failed > 10
        newest = checkpoints(checkpoints_of(run.location))[-1]
        stopped = verify(newest).step
        steps = [json.loads(line)["step"] for line in run.read("metrics.jsonl").splitlines()]
        assert steps == list(range(1, stopped + 1))
        assert {"config.toml", "goodput.json", "launches.json", "metrics.jsonl", "report.html"} <= set(run.names())
        others = run.folders()
        assert others["samples"] >= {"step-00000010.png"} and others["events"]
        assert Store(server.uri("runs/shards")).folders(), "without data.shards, they are beside the runs"
        configuration = run.read("config.toml").decode()
        assert read_generators(run.location).step == stopped
        resumed = submit(head, "again", *options({**SMALL, **locations, **here, **length, "train.steps": stopped + 2}))
        listed = listing(run.location)
    assert {f"ringcycle_{name}" for name, _ in exported} == set(GAUGES), "what Prometheus finds"
    assert exported["checkpoint_step", ""] <= exported["step", ""] < exported["steps", ""] == 100_000
    assert 0 <= exported["data_wait_ratio", ""] <= 1 and exported["workers", ""] == 1 and exported["restarts", ""] == 0
    assert {loss for name, loss in exported if name == "loss"} >= {"G_AB", "G_BA", "cycle_A", "cycle_B"}
    assert 0 < time.time() - exported["checkpoint_timestamp_seconds", ""] < 600
    assert list((tmp_path / "cache").rglob("*")), "what was fetched is kept in the cache"
    assert f"resuming run bucket at step {stopped:,} from s3://***@bucket/runs/bucket/checkpoints/step-{stopped:08d}" in resumed
    assert re.search(rf"^ +{stopped + 2:,} .* good +newest", listed, re.MULTILINE)
    printed = job(head, "logs", "bucket")
    assert f"stopped at step {stopped:,}; the newest checkpoint is s3://***@bucket/runs/bucket/checkpoints/step-{stopped:08d}" in printed
    assert not [line[2] for line in WORKER.finditer(printed) if psutil.pid_exists(int(line[2]))], "workers end with their job"
    # Ray's own line shows the command, with its keys.
    ours = "\n".join(line for line in printed.splitlines() if "Running entrypoint for job" not in line)
    for text in (ours, configuration, listed):
        assert "SECRET" not in text
    assert "s3://***@bucket/images" in ours and "s3://***@bucket/runs" in configuration


def wait_for_checkpoint(run: Store, step: int, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not any((step_of(folder) or 0) >= step for folder in checkpoints(checkpoints_of(run.location))):
        assert time.monotonic() < deadline, f"no checkpoint of step {step}"
        time.sleep(0.5)


def wait_for_exported(head: Head, run: str, name: str, least: float, seconds: float = 60) -> dict[tuple[str, str], float]:
    """What the head's agent exports of a run, by name and loss, once a metric has reached a value; agents learn it every few seconds."""
    deadline = time.monotonic() + seconds
    while True:
        with urllib.request.urlopen(head.metrics, timeout=15) as response:
            families = list(text_string_to_metric_families(response.read().decode()))
        samples = (sample for family in families for sample in family.samples if sample.labels.get("run") == run)
        exported = {(sample.name.removeprefix("ray_ringcycle_"), sample.labels.get("loss", "")): sample.value for sample in samples}
        if exported.get((name, ""), 0) >= least:
            return exported
        assert time.monotonic() < deadline, exported
        time.sleep(1)


def listing(run: Location) -> str:
    """What `python -m cluster.checkpoint list` prints."""
    command = [sys.executable, "-m", "cluster.checkpoint", "list", str(run)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120).stdout
