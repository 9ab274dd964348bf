import subprocess
import sys
from pathlib import Path

import pytest
import ray

from cluster.config import Config
from cluster.driver.checks import check_weights, cpus_of_workers, held_run, storage_location
from cluster.load_config import load_config
from cluster.paths import CONFIG
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
    message = r"run.name = default: cannot write \S+/default/checkpoints \(Not a directory\)"
    with pytest.raises(UserError, match=message), held_run(Config(), tmp_path / "default"):
        pass


def test_a_run_that_another_process_trains_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom cluster.config import Config\nfrom cluster.driver.checks import held_run\n"
        f"with held_run(Config(), Path({str(tmp_path)!r})):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        (tmp_path / CONFIG).write_text("as it was")
        with (
            pytest.raises(UserError, match=f"run.name = default is already being trained by process {holder.pid}"),
            held_run(Config(), tmp_path),
        ):
            pass
        assert (tmp_path / CONFIG).read_text() == "as it was"
    finally:
        holder.kill()
        holder.wait()
    with held_run(Config(), tmp_path):  # at once, since its process is gone
        assert (tmp_path / CONFIG).read_text() != "as it was"


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


def test_inception_weights_are_read_before_anything_starts(tmp_path: Path) -> None:
    assert check_weights(Config()) is None
    (tmp_path / "weights.pth").write_text("none")
    with pytest.raises(UserError, match=r"weights\.pth .*: give pt_inception-2015-12-05-6726825d\.pth"):
        check_weights(load_config(["--evaluate.weights", str(tmp_path / "weights.pth")], {}))
