import importlib.util
import sys

import pytest

from ringcycle.__main__ import COMMANDS, main


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_module(name: str) -> None:
    assert importlib.util.find_spec(COMMANDS[name][0])


def test_a_command_gets_its_arguments_and_gives_its_exit_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["ringcycle"])
    with pytest.raises(SystemExit) as ended:
        main(["inspect", "/nowhere"])
    assert ended.value.code == 2
    assert "/nowhere" in capsys.readouterr().err


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert all(f"\n  {name} " in listed for name in COMMANDS)


def test_an_unknown_command_costs_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    assert capsys.readouterr().err == "error: trian: no such command, did you mean train?; ringcycle --help lists all\n"
