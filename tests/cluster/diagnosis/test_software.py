"""Versions of all nodes, the code's hash, and compiled bytecode."""

from pathlib import Path

import pytest

from cluster.diagnosis.finding import Verdict
from cluster.diagnosis.software import bytecode, bytecode_state, code_hash, software, versions
from tests.cluster.diagnosis.facts import HEALTHY
from tests.ray_nodes import ROOT

OURS = HEALTHY.versions


def test_the_same_everywhere() -> None:
    finding = software(OURS, OURS)
    assert (finding.verdict, finding.text) == (
        Verdict.OK,
        "ringcycle 0a1b2c3d, Python 3.11.9, TensorFlow 2.21.0, Ray 2.60.0, NumPy 2.3.1",
    )


@pytest.mark.parametrize(
    ("changed", "verdict", "text"),
    [
        ({"NumPy": "2.2.0"}, Verdict.WARNING, "NumPy 2.2.0 where this command has 2.3.1"),
        ({"ringcycle": "ffffffff"}, Verdict.PROBLEM, "ringcycle ffffffff where this command has 0a1b2c3d"),
        (
            {"TensorFlow": "2.20.0", "NumPy": "2.2.0"},
            Verdict.PROBLEM,
            "TensorFlow 2.20.0 where this command has 2.21.0, NumPy 2.2.0 where this command has 2.3.1",
        ),
        ({"TensorFlow": "none"}, Verdict.PROBLEM, "TensorFlow is not installed"),
    ],
)
def test_other_versions(changed: dict[str, str], verdict: Verdict, text: str) -> None:
    finding = software({**OURS, **changed}, OURS)
    assert (finding.verdict, finding.text) == (verdict, text)
    assert finding.cure


def test_versions_of_this_process() -> None:
    found = versions()
    assert list(found) == list(OURS)
    assert found["TensorFlow"].startswith("2.") and found["ringcycle"] == code_hash(ROOT)


def test_the_hash_is_of_the_code_alone(tmp_path: Path) -> None:
    package = tmp_path / "cluster"
    package.mkdir()
    (package / "a.py").write_text("x = 1\n")
    first = code_hash(tmp_path)
    (package / "notes.md").write_text("changed")
    assert code_hash(tmp_path) == first
    (package / "a.py").write_text("x = 2\n")
    assert code_hash(tmp_path) != first


def test_bytecode() -> None:
    finding = bytecode("never", True)
    assert finding.verdict is Verdict.WARNING and "PYTHONDONTWRITEBYTECODE is set" in finding.text and "compileall" in finding.cure
    assert "cannot be written to" in bytecode("never", False).text
    assert bytecode("later", False).verdict is bytecode("compiled", True).verdict is Verdict.OK


def test_bytecode_that_is_neither_there_nor_may_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.pycache_prefix", str(tmp_path))
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    assert bytecode_state() == "never"
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    assert bytecode_state() == "later"
