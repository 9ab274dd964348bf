from pathlib import Path

import pytest

from cluster.config import Config, load_config
from cluster.driver.checks import make_run, storage_location
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
