"""The main job on real pictures: trained for real, broken for real, and equal bit for bit in the end."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from preprocess.synthetic import write_dataset
from tests.cluster.launch import Launch, assert_equal_runs, wait_for_metrics, wait_for_step
from tests.ray_nodes import ROOT, Head, running_head

pytestmark = pytest.mark.process
PORTRAITS = Path(os.environ.get("RINGCYCLE_TEST_DATA", ROOT.parent / "shared/data")) / "congress_faces"
STEPS = 200
WORKERS = 2


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real portraits; where they are absent, the embedded pictures."""
    if PORTRAITS.is_dir():
        return PORTRAITS
    folder = tmp_path_factory.mktemp("pictures") / "synthetic"
    write_dataset(folder, pictures=60, test=6)
    return folder


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """One cluster for all runs that need not be alone."""
    with running_head(tmp_path_factory.mktemp("head")) as head:
        yield head


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs and shards of all tests here: the shards are built once and found again."""
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def arguments(source: Path, storage: Path) -> list[str]:
    """64×64, small networks, 2 workers, 200 steps."""
    values = {
        "data.source": source,
        "data.load_size": 72,
        "data.crop_size": 64,
        "model.filters": 8,
        "model.blocks": 2,
        "model.discriminator_filters": 8,
        "train.steps": STEPS,
        "run.storage": storage,
        "run.checkpoint_every": 20,
        "run.keep": 100,
        "run.log_every": 1,
        "cluster.workers": WORKERS,
        "cluster.compile_cache": storage / "programs",
    }
    return [text for name, value in values.items() for text in (f"--{name}", str(value))]


@pytest.fixture(scope="module")
def undisturbed(arguments: list[str], storage: Path) -> Path:
    """A whole run on a Ray of its own, as on a laptop."""
    launch = Launch([*arguments, "--run.name", "undisturbed"])
    try:
        check_cores(launch, storage / "undisturbed")
        output = launch.end(0)
    finally:
        if launch.process.poll() is None:
            launch.kill()
    # One of the two compiled, the other waited and found all programs.
    assert sorted(re.findall(r"4 programs compiled in \S+ s, cache hits (\d), misses (\d)", output)) == [("0", "4"), ("4", "0")]
    return storage / "undisturbed"


def check_cores(launch: Launch, run: Path) -> None:
    """All threads of a worker stay within its cores; the workers' cores are disjoint."""
    workers = launch.workers(WORKERS)
    wait_for_metrics(run, 5)
    sets = []
    for worker in workers:
        cores = {int(core) for core in worker[4].split(", ")}
        affinities = [os.sched_getaffinity(int(task.name)) for task in Path(f"/proc/{worker[2]}/task").iterdir()]
        assert len(affinities) > 10
        assert all(affinity <= cores for affinity in affinities)
        sets.append(cores)
    if len(os.sched_getaffinity(0)) >= WORKERS:
        assert not set.intersection(*sets)


def test_artifacts(undisturbed: Path) -> None:
    lines = [json.loads(line) for line in (undisturbed / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert {"G_AB", "G_BA", "D_A", "D_B", "cycle_A", "cycle_B", "identity_A", "identity_B", "learning_rate"} <= lines[0].keys()
    assert lines[-1]["cycle_A"] < lines[0]["cycle_A"]
    assert list((undisturbed / "events").glob("events.out.tfevents.*"))
    assert Image.open(undisturbed / f"samples/step-{STEPS:08d}.png").size == (3 * 64, 2 * 64)
    assert (undisturbed / "config.toml").read_text().startswith("[data]")


def test_killed_worker_and_feed_actor(undisturbed: Path, head: Head, arguments: list[str], storage: Path) -> None:
    run = storage / "disturbed"
    launch = Launch([*arguments, "--run.name", "disturbed"], {**head.environment, "RAY_ADDRESS": head.address})
    first = launch.workers(WORKERS)
    wait_for_step(run, 40)
    os.kill(int(first[1][2]), signal.SIGKILL)
    second = launch.workers(WORKERS, starts=2)
    resumed = {int(worker[6].replace(",", "")) for worker in second}
    assert len(resumed) == 1
    assert 40 <= resumed.pop() < STEPS
    assert not {worker[2] for worker in first} & {worker[2] for worker in second}
    wait_for_step(run, 120)
    os.kill(int(second[0][5].split(", ")[0]), signal.SIGKILL)  # a feed actor: training does not notice
    output = launch.end(0)
    assert len(re.findall(r"worker 0: process", output)) == 2, "the feed's death must not restart the group"
    assert re.findall(r"cache hits (\d), misses (\d)", output) == [("4", "0")] * WORKERS
    assert_equal_runs(undisturbed, run, STEPS)
    assert [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()] == list(range(1, STEPS + 1))


def test_interrupted_then_killed_job_goes_on(undisturbed: Path, head: Head, arguments: list[str], storage: Path) -> None:
    run, command = storage / "stopped", [*arguments, "--run.name", "stopped"]
    environment = {**head.environment, "RAY_ADDRESS": head.address}

    interrupted = Launch(command, environment)
    interrupted.workers(WORKERS)
    wait_for_metrics(run, 25)
    interrupted.process.send_signal(signal.SIGINT)
    output = interrupted.end(75)
    stopped = re.search(r"stopped at step (\d+); the newest checkpoint is \S+/step-(\d+); the same command goes on from there", output)
    assert stopped
    assert int(stopped[1]) == int(stopped[2]) < STEPS

    killed = Launch(command, environment)
    assert killed.wait_for(r"resuming run stopped at step (\d+)")[0][1] == stopped[1]
    workers = killed.workers(WORKERS)
    wait_for_step(run, int(stopped[1]) + 40)
    killed.kill()
    deadline = time.monotonic() + 60
    while any(psutil.pid_exists(int(worker[2])) for worker in workers):
        assert time.monotonic() < deadline, "workers outlive their job"
        time.sleep(0.1)

    last = Launch(command, environment)
    assert int(last.wait_for(r"resuming run stopped at step (\d+)")[0][1]) >= int(stopped[1]) + 40
    assert re.findall(r"cache hits (\d), misses (\d)", last.end(0)) == [("4", "0")] * WORKERS
    assert_equal_runs(undisturbed, run, STEPS)


def test_losses_that_are_no_numbers_stop_the_run(head: Head, arguments: list[str], storage: Path) -> None:
    values = ["--run.name", "diverged", "--train.learning_rate", "1e30", "--cluster.workers", "1", "--train.batch", "2"]
    launch = Launch([*arguments, *values], {**head.environment, "RAY_ADDRESS": head.address})
    output = launch.end(1)
    assert re.search(
        r"error: the losses are no longer finite at step \d+ \(G_AB = .*start again with a train.learning_rate below 1e\+30", output
    )
    assert "Traceback" not in output


@pytest.mark.skipif(not shutil.which("nvidia-smi"), reason="training on a GPU needs one")
def test_training_on_a_gpu(arguments: list[str], storage: Path) -> None:
    values = ["--run.name", "gpu", "--cluster.device", "gpu", "--cluster.workers", "1", "--train.steps", "20"]
    assert "finished: 20 steps" in Launch([*arguments, *values]).end(0)


def test_translate_writes_the_test_folder(undisturbed: Path, source: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cyclegan.translate", "--checkpoint", str(undisturbed), "--direction", "AtoB"]
    subprocess.run([*command, str(source / "testA"), str(tmp_path / "out")], cwd=ROOT, check=True, timeout=240)
    originals = sorted((source / "testA").glob("*.jpg"))
    translated = sorted((tmp_path / "out").iterdir())
    assert [picture.stem for picture in translated] == [picture.stem for picture in originals]
    assert Image.open(translated[0]).size == Image.open(originals[0]).size
