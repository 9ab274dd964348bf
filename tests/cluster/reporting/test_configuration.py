from dataclasses import replace

import pytest

from cluster.reporting.configuration import changed, described, differing
from cluster.reporting.run_files import RunFiles, RunReader
from tests.cluster.reporting.made_run import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFiles:
    folder = make_run(tmp_path_factory.mktemp("runs") / "made", images=[], options=["--train.batch", "2", "--data.source", "s3://K:S@b/i"])
    return RunReader(folder).read(4, 1000)


def with_fields(run: RunFiles, section: str, **fields: object) -> RunFiles:
    known = {name: value for name, value in (run.config[section] | fields).items() if value is not None}
    return replace(run, config={**run.config, section: known})


def test_what_differs_from_the_defaults_without_credentials(run: RunFiles) -> None:
    found = {row.field: (row.values, row.default) for row in changed([run])}
    assert found["train.batch"] == (["2"], "1")
    assert found["data.source"] == (["s3://***@b/i"], '""')
    assert "train.beta1" not in found and described(run)["images"].startswith("s3://***@b/i, crops of 256")


def test_equal_numbers_are_equal(run: RunFiles) -> None:
    """`lambda_cycle = 10` as an earlier version or a user's hand writes 10.0."""
    assert "train.lambda_cycle" not in {row.field for row in changed([with_fields(run, "train", lambda_cycle=10)])}


def test_a_field_that_a_run_lacks_is_its_default(run: RunFiles) -> None:
    older = with_fields(with_fields(run, "train", beta1=None, batch=None), "model", form="auto")
    found = [(row.field, row.values, row.default) for row in differing([run, older])]
    assert found == [("train.batch", ["2", ""], "1"), ("model.form", ["", "auto"], "")]
    assert described(older) == {}
