import json
from pathlib import Path

import numpy as np
import pytest

from cluster.paths import METRICS
from cluster.reporting.metrics_file import MetricsFile
from ringcycle.storage.store import Store
from tests.preprocess.object_store import object_store


def lines(*steps: int, **values: float) -> str:
    return "".join(json.dumps({"step": step, "loss": step / 10, **values}) + "\n" for step in steps)


def test_what_is_appended_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics, many = MetricsFile(tmp_path), range(1, 101)
    assert metrics.read().steps.size == 0
    (tmp_path / METRICS).write_text(lines(*many) + '{"step": 101, "lo')
    assert metrics.read().steps.tolist() == [*many]
    (tmp_path / METRICS).write_text(lines(*many, 101) + lines(102, speed=2.5))
    read: list[int] = []
    whole = Store.read_range
    monkeypatch.setattr(Store, "read_range", lambda store, name, at, length: read.append(length) or whole(store, name, at, length))
    found = metrics.read()
    assert sum(read) < len(lines(*many)) / 10, "what was read before is not read again, but for its last line"
    assert found.steps.tolist() == [*many, 101, 102]
    assert found.columns["loss"].tolist() == [step / 10 for step in (*many, 101, 102)]
    assert np.isnan(found.columns["speed"][:-1]).all() and found.last("speed", 2) == 2.5


def test_a_long_file_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.reporting.metrics_file.CHUNK", 100)
    (tmp_path / METRICS).write_text(lines(*range(1, 200)) + '{"step": 200')
    assert MetricsFile(tmp_path).read().steps.tolist() == list(range(1, 200))


def test_a_file_that_was_cut_is_read_anew(tmp_path: Path) -> None:
    """An attempt that resumes removes the lines of later steps, and may have written as many since."""
    metrics = MetricsFile(tmp_path)
    (tmp_path / METRICS).write_text(lines(1, 2, 3))
    metrics.read()
    (tmp_path / METRICS).write_text(lines(1, 2) + lines(3, loss=9.0) + lines(4))
    assert metrics.read().columns["loss"].tolist() == [0.1, 0.2, 9.0, 0.4]
    (tmp_path / METRICS).write_text(lines(1))
    assert metrics.read().steps.tolist() == [1]


def test_damage_and_repeated_steps(tmp_path: Path) -> None:
    damaged = b'[]\n\xff\xfe\n{"step": "x"}\n{"step": -1}\nnull\n{"step": 5, "loss": "a", "other": true}\n{"step": 6, "loss": NaN}\n'
    damaged += b'{"step": 7, "loss": 1' + b"0" * 400 + b"}\n"  # no float is as large
    (tmp_path / METRICS).write_bytes(lines(1, 2, 3).encode() + lines(2, loss=7.0).encode() + damaged)
    found = MetricsFile(tmp_path).read()
    assert found.steps.tolist() == [1, 2, 5, 6]
    assert found.columns.keys() == {"loss"}
    assert found.columns["loss"][:2].tolist() == [0.1, 7.0] and np.isnan(found.columns["loss"][2:]).all()
    assert np.isnan(found.last("loss", 2)) and np.isnan(found.last("none", 2))


def test_in_an_object_store() -> None:
    with object_store() as server:
        run, metrics = Store(server.uri("run")), MetricsFile(server.uri("run"))
        run.write(METRICS, lines(1, 2).encode())
        assert metrics.read().steps.tolist() == [1, 2]
        run.write(METRICS, lines(1, 2, 3).encode())
        assert metrics.read().steps.tolist() == [1, 2, 3]
