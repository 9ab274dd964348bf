"""Exit codes are fixed, and an error is one line on standard error."""

import pytest

from ringcycle.cli import ExitCode, Parser, duration, fail
from ringcycle.errors import UserError


def test_exit_codes_are_fixed() -> None:
    assert {code.name: int(code) for code in ExitCode} == {"OK": 0, "FAILED": 1, "USAGE": 2, "STOPPED": 75, "INTERRUPTED": 130}


def test_an_error_is_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    fail(UserError("run.name = a\nb\x1b[31m: use letters"))
    assert capsys.readouterr() == ("", "error: run.name = a\\nb\\x1b[31m: use letters\n")


def test_arguments_that_a_command_refuses_are_one_line_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    """A file's name becomes an argument through `*`."""
    with pytest.raises(SystemExit, match="2"):
        Parser(prog="translate", usage="translate").parse_args(["a\x1b[2J\n.png", "s3:/KEY:SECRET@bucket/x"])
    assert capsys.readouterr().err == "usage: translate\ntranslate: error: unrecognized arguments: a\\x1b[2J\\n.png s3:/***@bucket/x\n"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (36000, "10:00:00")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
