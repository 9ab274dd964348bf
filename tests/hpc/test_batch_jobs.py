"""Whole jobs of Slurm and PBS on hosts in network namespaces: one ends well, a host is killed, the time limit is reached."""

import json
import os
import re
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cluster.launch import EVERY, WORKER, Running, small_run, wait_for_metrics, wait_for_step
from tests.hosts import can_make_namespaces
from tests.hpc.batch_jobs import BatchSystem, batch_system, edited
from tests.ray_nodes import ROOT

pytestmark = [
    pytest.mark.skipif(not can_make_namespaces(), reason="network namespaces need root and iproute2"),
    pytest.mark.timeout(1200),
]
STEPS = 400
PATIENCE = 400.0
QUEUED = "in the queue again: the next job resumes this run"


@pytest.fixture
def system() -> Iterator[BatchSystem]:
    with batch_system(3) as system:
        yield system


@pytest.fixture
def two_hosts() -> Iterator[BatchSystem]:
    with batch_system(2) as system:
        yield system


def arguments(folder: Path, programs: Path, **values: object) -> list[str]:
    here = {"run.name": "run", "cluster.cpus_per_worker": os.cpu_count(), "evaluate.every": 0, "train.steps": STEPS}
    return small_run(folder, programs, {**here, **values})


def steps(run: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def assert_nothing_is_left(system: BatchSystem) -> None:
    """Neither a process nor a file of Ray's."""
    assert {host.address: [psutil.Process(pid).cmdline() for pid in system.processes(host)] for host in system.hosts} == {
        host.address: [] for host in system.hosts
    }
    assert list((system.folder / "ray").iterdir()) == []
    assert list(ROOT.glob(".pbs-*")) == []


def token_of(job: Running) -> str:
    """Ray's token, from the environment of the job's processes; it is in no command line."""
    processes = {process.pid: process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])}
    children = {child.pid for child in psutil.Process(job.process.pid).children(recursive=True)}
    (training,) = (pid for pid, words in processes.items() if pid in children and words[1:3] == ["-m", "cluster.train"])
    token = psutil.Process(training).environ()["RAY_AUTH_TOKEN"]
    lines = map(" ".join, processes.values())
    assert len(token) == 64
    assert not [line for line in lines if token in line]
    return token


@pytest.mark.process
def test_a_slurm_job_that_ends_well(two_hosts: BatchSystem, programs: Path, tmp_path: Path) -> None:
    with two_hosts.slurm(arguments(tmp_path, programs, **{"train.steps": 4})) as job:
        job.wait_for(WORKER.pattern, 2, seconds=PATIENCE)
        token = token_of(job)
        output = job.end(0)
    assert token not in output
    assert steps(tmp_path / "runs/run") == [1, 2, 3, 4]
    assert two_hosts.calls("scontrol", "requeue") == []
    assert "error: " not in output
    assert_nothing_is_left(two_hosts)


@pytest.mark.soak
def test_a_slurm_job_loses_a_host(system: BatchSystem, programs: Path, tmp_path: Path) -> None:
    """With `cluster.workers = [MIN, MAX]` it goes on with the others."""
    values = {"cluster.workers": "[1,3]", "train.batch": 2, "cluster.node_timeout": 5}
    with system.slurm(arguments(tmp_path, programs, **values)) as job:
        job.wait_for(WORKER.pattern, 3, seconds=PATIENCE)
        wait_for_step(tmp_path / "runs/run", EVERY)
        system.kill(system.hosts[2])
        job.wait_for(r"continuing with \d of 3 workers")
        output = job.end(0)
    assert "finished: 400 steps" in output
    assert steps(tmp_path / "runs/run") == list(range(1, STEPS + 1))
    assert_nothing_is_left_but_the_lost(system)


def assert_nothing_is_left_but_the_lost(system: BatchSystem) -> None:
    assert [system.processes(host) for host in system.hosts] == [[], [], []]
    assert len(list((system.folder / "ray").iterdir())) == 1


@pytest.mark.soak
def test_a_slurm_job_at_its_time_limit(system: BatchSystem, programs: Path, tmp_path: Path) -> None:
    run, words = tmp_path / "runs/run", arguments(tmp_path, programs, **{"run.checkpoint_every": 100_000})
    with system.slurm(words) as job:
        job.wait_for(WORKER.pattern, 2, seconds=PATIENCE)
        wait_for_metrics(run, 5)
        os.kill(job.process.pid, signal.SIGUSR1)
        output = job.end(75, seconds=120)
    assert output.splitlines()[-1] == QUEUED
    assert system.calls("scontrol", "requeue") == [["scontrol", "requeue", "1234"]]
    assert_nothing_is_left(system)
    with system.slurm(words) as job:
        (resumed,) = job.wait_for(r"resuming run run at step (\d+)")
        assert int(resumed[1]) >= 5
        job.end(0)
    assert steps(run) == list(range(1, STEPS + 1))


@pytest.mark.soak
def test_a_cancelled_slurm_job_saves_and_stays_out_of_the_queue(system: BatchSystem, programs: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs/run"
    with system.slurm(arguments(tmp_path, programs, **{"run.checkpoint_every": 100_000})) as job:
        job.wait_for(WORKER.pattern, 2, seconds=PATIENCE)
        wait_for_metrics(run, 5)
        os.kill(job.process.pid, signal.SIGTERM)
        output = job.end(75, seconds=120)
    assert re.search(r"stopped at step \d+", output)
    assert system.calls("scontrol", "requeue") == []
    assert_nothing_is_left(system)


@pytest.mark.soak
def test_a_pbs_job_at_its_time_limit(system: BatchSystem, programs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "with space, and comma"
    folder.mkdir()
    run, resources = folder / "runs/run", {"select": "3:ncpus=24:mem=100gb", "place": "scatter:excl", "walltime": "00:06:00"}
    train = shlex.join(arguments(folder, programs, **{"train.steps": 100_000, "run.checkpoint_every": 100_000}))
    script = edited((ROOT / "hpc/pbs.sh").read_text()).replace("stop_minutes=10", "stop_minutes=1")
    with system.pbs(train, resources, script) as job:
        job.wait_for(WORKER.pattern, 2, seconds=PATIENCE)
        assert len(system.calls("pbsdsh")) == 3
        assert list(ROOT.glob(".pbs-*")) == [], "all nodes have read their environment"
        assert token_of(job) not in job.output
        output = job.end(75, seconds=400)
    assert output.splitlines()[-1] == QUEUED
    queued = json.loads((system.folder / "queued.json").read_text())
    assert queued["train"] == train
    assert queued["script"] == script
    assert queued["resources"] == [f"{name}={value}" for name, value in resources.items()]
    assert_nothing_is_left(system)
    trained = len(steps(run))
    with system.pbs(f"{queued['train']} --train.steps {trained + 10}", {**resources, "walltime": "24:00:00"}, queued["script"]) as job:
        (resumed,) = job.wait_for(r"resuming run run at step ([\d,]+)")
        assert int(resumed[1].replace(",", "")) == trained
        job.end(0)
    assert steps(run) == list(range(1, trained + 11))
    assert_nothing_is_left(system)


@pytest.mark.soak
def test_a_pbs_job_loses_a_host(system: BatchSystem, programs: Path, tmp_path: Path) -> None:
    """A fixed number of workers no longer fits: the job is queued again, and resumes."""
    values = {"cluster.workers": 3, "cluster.node_timeout": 5}
    train = shlex.join(arguments(tmp_path, programs, **values))
    resources = {"nodes": "3:ppn=2", "walltime": "24:00:00"}
    with system.pbs(train, resources) as job:
        job.wait_for(WORKER.pattern, 3, seconds=PATIENCE)
        wait_for_step(tmp_path / "runs/run", EVERY)
        system.kill(system.hosts[1])
        output = job.end(75)
    assert output.splitlines()[-1] == QUEUED
    queued = json.loads((system.folder / "queued.json").read_text())
    assert queued["resources"] == ["walltime=24:00:00", "nodes=3:ppn=2"]
    with system.pbs(queued["train"], resources, queued["script"]) as job:
        job.wait_for(r"resuming run run at step (\d+)")
        job.end(0)
    assert steps(tmp_path / "runs/run") == list(range(1, STEPS + 1))
