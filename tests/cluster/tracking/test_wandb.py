"""What wandb keeps of a run in its offline mode."""

import importlib.util
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from cluster.tracking.process import TrackerProcess
from tests.cluster.tracking.made_run import write_run

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb is not installed"),
]
BLOCK = 32768


def records(file: Path) -> Iterator[bytes]:
    """The records of a LevelDB log (wandb has a reader of it in Go only): blocks of 32 KiB with chunks of CRC, length and type."""
    content, parts = file.read_bytes(), []
    position = 7  # after wandb's own header
    while position + 7 <= len(content):
        if BLOCK - position % BLOCK < 7:
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        parts.append(content[position + 7 : position + 7 + length])
        position += 7 + length
        if kind in (1, 4):  # complete, or the last part
            yield b"".join(parts)
            parts = []


def test_the_offline_folder_holds_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    from wandb.proto.wandb_internal_pb2 import Record

    monkeypatch.setenv("WANDB_MODE", "offline")
    write_run(tmp_path, range(1, 11))
    with TrackerProcess("wandb", tmp_path, "mine") as tracker:
        tracker.finish("stopped")
    write_run(tmp_path, range(11, 21))
    with TrackerProcess("wandb", tmp_path, "mine") as tracker:
        tracker.finish("finished")
    assert caplog.messages == []

    run_id = json.loads((tmp_path / "wandb.json").read_text())["id"]
    files = sorted((tmp_path / "wandb").glob(f"offline-run-*-{run_id}/run-{run_id}.wandb"))
    assert len(files) == 2, "one for each launch, of the same run"
    history: dict[str, list[tuple[int, str]]] = {}
    config: dict[str, str] = {}
    codes = []
    for file in files:
        for content in records(file):
            record = Record.FromString(content)
            entry = {item.key or ".".join(item.nested_key): item.value_json for item in record.history.item}
            for name, value in entry.items():
                history.setdefault(name, []).append((int(entry["step"]), value))
            config |= {item.key or ".".join(item.nested_key): item.value_json for item in record.config.update}
            codes += [record.exit.exit_code] if record.HasField("exit") else []
    assert history["G_AB"] == [(step, str(step)) for step in range(1, 21)]
    assert history["held out/sliced_wasserstein"] == [(10, "1"), (20, "2")]
    assert config["train.batch"] == '"1"'
    assert codes == [0, 0]
    for name in ("samples", "held out"):
        for file, red, (step, path) in zip(files, (10, 20), history[f"{name}.path"], strict=True):
            assert step == red
            shown = Image.open(file.parent / "files" / json.loads(path))
            assert (shown.size, shown.getpixel((0, 0))) == ((12, 8), (red, 0, 0))
