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
from tests.cluster.launch import SMALL, Launch, assert_equal_runs, options, wait_for_metrics, wait_for_step
from tests.ray_nodes import RAY, ROOT, Head, running_head

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
def arguments(source: Path, storage: Path, programs: Path) -> list[str]:
    """The demo's configuration with smaller networks, on these pictures: 64×64, 2 workers, 200 steps."""
    length = {"train.steps": STEPS, "run.checkpoint_every": 20, "run.keep": 100, "run.log_every": 1, "cluster.workers": WORKERS}
    here = {"data.source": source, "run.storage": storage, "cluster.compile_cache": programs}
    return ["--config", "configs/demo.toml", *options({**SMALL, **length, **here})]


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


def test_job_stopped_killed_and_submitted_again(undisturbed: Path, head: Head, arguments: list[str], storage: Path) -> None:
    run, command = storage / "demo", [*arguments, "--run.name", "demo"]

    submit(head, "first", "--no-wait", *command, "--run.checkpoint_every", "100000")
    wait_for_metrics(run, 5)
    job(head, "stop", "first")
    wait_for_step(run, 5)  # the stop itself leaves the only checkpoint
    stopped = int(max(folder.name for folder in run.glob("checkpoints/step-????????"))[5:])

    killed = Launch(command, {**head.environment, "RAY_ADDRESS": head.address})
    assert int(killed.wait_for(r"resuming run demo at step (\d+)")[0][1]) == stopped
    workers = killed.workers(WORKERS)
    wait_for_step(run, stopped + 1)
    killed.kill()
    deadline = time.monotonic() + 60
    while any(psutil.pid_exists(int(worker[2])) for worker in workers):
        assert time.monotonic() < deadline, "workers outlive their job"
        time.sleep(0.1)

    output = submit(head, "last", *command)
    assert re.search(r"resuming run demo at step \d+", output)
    assert re.findall(r"cache hits (\d), misses (\d)", output) == [("4", "0")] * WORKERS
    assert f"finished: {STEPS} steps" in output
    assert_equal_runs(undisturbed, run, STEPS)


def test_storage_inside_a_job_is_refused(head: Head, arguments: list[str]) -> None:
    output = submit(head, "inside", *arguments, "--run.storage", "runs", succeeds=False)
    assert "error: run.storage = runs lies in the job's working directory, an unpacked copy that vanishes with the job" in output
    assert "Traceback" not in output


def job(head: Head, *words: str, succeeds: bool = True) -> str:
    """What `ray job …` prints."""
    command = [RAY, "job", words[0], "--address", head.dashboard, *words[1:]]
    done = subprocess.run(command, cwd=ROOT, env=head.environment, capture_output=True, text=True, timeout=400)
    assert (done.returncode == 0) == succeeds, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def submit(head: Head, name: str, *arguments: str, succeeds: bool = True) -> str:
    """What `ray job submit --working-dir . -- python -m cluster.train …` prints; with `--no-wait` first, what the submission does."""
    wait = ["--no-wait"] if arguments[0] == "--no-wait" else []
    entrypoint = ["python", "-m", "cluster.train", *arguments[len(wait) :]]
    return job(head, "submit", "--submission-id", name, *wait, "--working-dir", ".", "--", *entrypoint, succeeds=succeeds)


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
