"""A cluster that does not become complete is reported with the nodes that are missing."""

import pytest

from hpc.wait_for_nodes import main
from ringcycle.cli import ExitCode
from tests.ray_nodes import free_ports


def test_nodes_that_never_come(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free_ports(1)[0]}")
    assert main(["1", *(f"node{i}" for i in range(7))]) == ExitCode.FAILED
    line = "error: 7 of 7 nodes have not joined the Ray cluster within 1 s: node0, node1, node2, node3, node4 …\n"
    assert capsys.readouterr().err == line
