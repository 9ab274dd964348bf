"""The undisturbed run that disturbed ones are compared with, and the cluster they share."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from preprocess.synthetic import write_dataset
from tests.cluster.launch import SMALL, Launch, options, wait_for_metrics
from tests.ray_nodes import ROOT, Head, running_head

PORTRAITS = Path(os.environ.get("RINGCYCLE_TEST_DATA", ROOT.parent / "shared/data")) / "congress_faces"
STEPS = 200
WORKERS = 2


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real portraits or, where they are absent, the embedded images."""
    if PORTRAITS.is_dir():
        return PORTRAITS
    folder = tmp_path_factory.mktemp("images") / "synthetic"
    write_dataset(folder, images=60, test=6)
    return folder


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs and shards of all tests here: the shards are built once."""
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="session")
def arguments(source: Path, storage: Path, programs: Path) -> list[str]:
    """The demo's configuration with smaller networks, on these images: 64×64, 2 workers, 200 steps."""
    length = {"train.steps": STEPS, "run.checkpoint_every": 20, "run.keep": 100, "run.log_every": 1, "cluster.workers": WORKERS}
    here = {"data.source": source, "run.storage": storage, "cluster.compile_cache": programs}
    return ["--config", "cluster/demo.toml", *options({**SMALL, **length, **here})]


@pytest.fixture(scope="session")
def undisturbed(arguments: list[str], storage: Path) -> Path:
    """A complete run on a Ray of its own, as on a laptop."""
    with Launch([*arguments, "--run.name", "undisturbed"]) as launch:
        check_cores(launch, storage / "undisturbed")
        output = launch.end(0)
    # Each program was compiled by one of the two while the other waited and then found it, or by an earlier test, and both found it.
    hits = [int(found) for found in re.findall(r"4 programs compiled in \S+ s, cache hits (\d), misses \d", output)]
    assert len(hits) == WORKERS
    assert sum(hits) in (4, 8)
    return storage / "undisturbed"


@pytest.fixture(scope="session")
def head() -> Iterator[Head]:
    """One cluster for all runs that need not be alone, with the README's time to save when a job is stopped."""
    with (
        tempfile.TemporaryDirectory(prefix="rc", ignore_cleanup_errors=True) as folder,
        running_head(Path(folder), environment={"RAY_JOB_STOP_WAIT_TIME_S": "60"}) as head,
    ):
        yield head


def check_cores(launch: Launch, run: Path) -> None:
    """All threads of a worker stay on its cores; the workers' cores are disjoint."""
    workers = launch.workers(WORKERS)
    wait_for_metrics(run, 5)
    sets = []
    for worker in workers:
        cores = {int(core) for core in worker[4].split(", ")}
        affinities = []
        for task in Path(f"/proc/{worker[2]}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):  # a thread that has ended since
                affinities.append(os.sched_getaffinity(int(task.name)))
        assert len(affinities) > 10
        assert all(affinity <= cores for affinity in affinities)
        sets.append(cores)
    if len(os.sched_getaffinity(0)) >= WORKERS:
        assert not set.intersection(*sets)
