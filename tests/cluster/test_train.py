"""How a launch ends, without training."""

from pathlib import Path
from typing import Literal

import pytest

from cluster.config import Config
from cluster.driver.console import Screen
from cluster.driver.goodput import goodput
from cluster.driver.supervise import Report
from cluster.load_config import load_config
from cluster.monitoring.status import Outcome, RunStatus
from cluster.train import exit_code, main, report_outcome
from ringcycle.cli import ExitCode

NONE = goodput(0, 1, [])


@pytest.mark.parametrize(
    ("kind", "step", "checkpoint", "temporary", "code"),
    [
        ("stopped", 7, "c/step-7", False, ExitCode.STOPPED),
        ("stopped", 0, "", False, ExitCode.STOPPED),
        ("stopped", 7, "", False, ExitCode.FAILED),
        ("failed", 7, "c/step-7", True, ExitCode.STOPPED),
        ("failed", 7, "", True, ExitCode.FAILED),
        ("failed", 0, "", True, ExitCode.STOPPED),
        ("failed", 7, "c/step-7", False, ExitCode.FAILED),
        ("finished", 7, "c/step-7", False, ExitCode.OK),
    ],
)
def test_75_promises_a_checkpoint_of_what_was_trained(
    kind: Literal["finished", "stopped", "failed"], step: int, checkpoint: str, temporary: bool, code: ExitCode
) -> None:
    report = Report(RunStatus(outcome=Outcome(kind, step, checkpoint)), NONE, temporary)
    assert exit_code(report) == code


@pytest.mark.parametrize("kind", ["finished", "stopped"])
def test_a_lowered_rate_is_stated_at_the_end(
    kind: Literal["finished", "stopped"], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for rate, rollbacks in ((1.0, 0), (0.5, 1), (0.25, 2)):
        report = Report(RunStatus(outcome=Outcome(kind, 1000, "c")), NONE, False, rate, rollbacks)
        report_outcome(report, Config(), tmp_path, Screen())
    lines = capsys.readouterr().out.splitlines()
    plain, once, twice = (line for line in lines if line.startswith(kind))
    assert "learning_rate" not in plain
    assert " with train.learning_rate × 0.5 after 1 rollback;" in once
    assert " with train.learning_rate × 0.25 after 2 rollbacks;" in twice
    following = f"next: python -m cyclegan.translate --checkpoint {tmp_path} --direction AtoB IMAGES translated"
    page = f"report: {tmp_path / 'report.html'}"
    assert [line for line in lines if not line.startswith(kind)] == ([page, following] if kind == "finished" else [page]) * 3


def test_the_configuration_is_printed_without_credentials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "c.toml"
    values = ["--data.source", "s3://KEY:SECRET@bucket/images", "--train.batch", "2"]
    assert main([*values, "--print-config"]) == 0
    printed = capsys.readouterr().out
    file.write_text(printed)
    assert load_config(["--config", str(file)], {}).train.batch == 2
    assert "SECRET" not in printed
