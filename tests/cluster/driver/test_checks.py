from pathlib import Path

import pytest
import ray

from cluster.config import Config, load_config
from cluster.driver.checks import cpus_of_workers, make_run, storage_location
from ringcycle.errors import UserError

JOB = {"RAY_JOB_CONFIG_JSON_ENV_VAR": "{}"}


def test_storage_is_created_and_absolute(tmp_path: Path) -> None:
    assert storage_location(load_config(["--run.storage", "a/b"], {}), {}, tmp_path) == tmp_path / "a/b"
    assert (tmp_path / "a/b").is_dir()
    assert storage_location(load_config(["--run.storage", f"file://{tmp_path}/c"], {}), {}, Path("/")) == tmp_path / "c"


@pytest.mark.parametrize(
    ("storage", "environment", "text"),
    [
        ("s4://bucket/runs", {}, '"s4://bucket/runs" has an unknown scheme: name a folder, or a URI that starts with s3://'),
        ("file", {}, "run.storage = file: cannot create this folder (File exists)"),
        ("runs", JOB, "run.storage = runs lies in the job's working directory"),
    ],
)
def test_storage_that_cannot_be_used(storage: str, environment: dict[str, str], text: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError) as error:
        storage_location(load_config(["--run.storage", storage], {}), environment, tmp_path)
    assert str(error.value).startswith(text)


def test_a_run_whose_folder_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "default").touch()
    with pytest.raises(UserError, match=r"run.name = default: cannot write \S+/default/checkpoints \(Not a directory\)"):
        make_run(Config(), tmp_path / "default")


def nodes(monkeypatch: pytest.MonkeyPatch, *resources: dict[str, float]) -> None:
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": found} for found in resources])


@pytest.mark.parametrize(
    ("options", "resources", "cpus"),
    [
        (["--cluster.workers", "2"], [{"CPU": 8.0}], 4),
        (["--cluster.workers", "2"], [{"CPU": 8.0}, {"CPU": 6.0}], 6),
        (["--cluster.workers", "2", "--cluster.cpus_per_worker", "3"], [{"CPU": 8.0}], 3),
        (["--cluster.workers", "[1,2]", "--train.batch", "2", "--cluster.cpus_per_worker", "6"], [{"CPU": 8.0}], 6),
    ],
)
def test_cpus_of_workers(options: list[str], resources: list[dict[str, float]], cpus: int, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes(monkeypatch, *resources)
    assert cpus_of_workers(load_config(options, {}), joined=False, gpu=False) == cpus


@pytest.mark.parametrize(
    ("options", "joined", "gpu", "text"),
    [
        (["--cluster.workers", "9"], False, False, "9 with 1 CPU each, but this machine has 8 CPUs: use 8 or fewer, or add nodes"),
        (
            ["--cluster.workers", "2", "--cluster.cpus_per_worker", "9"],
            False,
            False,
            "2 with 9 CPUs each, but this machine has 8 CPUs: lower cluster.cpus_per_worker, or add nodes",
        ),
        (
            ["--cluster.workers", "9", "--cluster.start_timeout", "0.01"],
            True,
            False,
            "9 with 1 CPU each, but the cluster has 1 node(s) with [8] CPUs: use 8 or fewer, or add nodes",
        ),
        (
            ["--cluster.workers", "1", "--cluster.device", "gpu"],
            False,
            True,
            "1 with 1 CPU and a GPU each, but this machine has 8 CPUs and 0 GPUs: set cluster.device = cpu, or add nodes",
        ),
    ],
)
def test_workers_that_do_not_fit(options: list[str], joined: bool, gpu: bool, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes(monkeypatch, {"CPU": 8.0})
    config = load_config(options, {})
    with pytest.raises(UserError) as error:
        cpus_of_workers(config, joined, gpu)
    assert str(error.value) == f"cluster.workers = {text}"
