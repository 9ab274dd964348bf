import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.summary_pb2 import Summary

from cluster.monitoring import event_file
from cluster.monitoring.event_file import EventFile
from cluster.monitoring.telemetry import MetricsLog, grid
from tests.small_file_system import small_file_system


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Path]:
    with small_file_system(tmp_path / "storage", 200_000) as folder:
        yield folder


def steps(file: Path) -> list[int]:
    return [json.loads(line)["step"] for line in file.read_text().splitlines()]


def test_lines_of_steps_that_were_not_saved_are_removed(tmp_path: Path) -> None:
    file, events = tmp_path / "metrics.jsonl", tmp_path / "events"
    log = MetricsLog(file, events, 0)
    for step in range(1, 8):
        log.scalars(step, {"G_AB": float(step)})
    log.close()
    file.write_text(file.read_text() + '{"step": 8, "G_')  # cut short by a kill
    log = MetricsLog(file, events, 5)
    log.scalars(6, {"G_AB": 60.0})
    log.close()
    assert steps(file) == [1, 2, 3, 4, 5, 6]
    assert json.loads(file.read_text().splitlines()[-1])["G_AB"] == 60.0


def test_tensorboard_continues_with_the_next_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_file, "LARGEST", 200)
    events = EventFile(tmp_path, 0)
    for step in range(1, 20):
        events.add(step, [Summary.Value(tag="G_AB", simple_value=step)])
    events.close()
    assert len(list(tmp_path.iterdir())) > 2
    read = EventAccumulator(str(tmp_path))
    read.Reload()
    assert [event.step for event in read.Scalars("G_AB")] == list(range(1, 20))


def test_tensorboard_reads_scalars_and_images(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", tmp_path / "events", 0)
    log.scalars(3, {"G_AB": 0.5})
    images = np.zeros((2, 1, 8, 8, 3))
    log.image(3, "real, fake, cycled", grid(images.astype(np.uint8), images, images))
    log.close()
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("G_AB")] == [(3, 0.5)]
    image = events.Images("real, fake, cycled")[0]
    assert (image.width, image.height) == (24, 16)


def test_grid_pairs_each_image_with_its_own_translations() -> None:
    batch = 2
    # The value 10 * direction + number identifies an image: real (A, B), fake (of A, of B), cycled (B, A).
    number = 10 * np.arange(2)[:, None] + np.arange(batch)
    real = np.broadcast_to(number[:, :, None, None, None], (2, batch, 1, 1, 3)).astype(np.uint8)
    signed = real.astype(np.float64) / 127.5 - 1
    image = np.asarray(grid(real, signed, signed[::-1]))
    assert image.shape == (4, 3, 3)
    assert (image == np.array([0, 1, 10, 11])[:, None, None]).all()


def test_event_files_continue_after_a_full_disk(storage: Path) -> None:
    events = EventFile(storage, 0)
    events.add(1, [scalar(1.0)])
    (storage / "other").write_bytes(bytes(shutil.disk_usage(storage).free))
    with pytest.raises(OSError, match="No space left"):
        events.add(2, [scalar(2.0)] * 1000)
    (storage / "other").unlink()
    events.add(500, [scalar(3.0)])
    events.close()
    read = EventAccumulator(str(storage)).Reload().Scalars("G_AB")
    assert (read[0].step, read[-1].step) == (1, 500)
    assert read[-1].value == 3.0


def scalar(value: float) -> Summary.Value:
    return Summary.Value(tag="G_AB", simple_value=value)
