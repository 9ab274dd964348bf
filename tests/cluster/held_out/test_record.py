"""What an evaluation leaves in the folder of its run."""

import shutil
from pathlib import Path

from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cluster.held_out.record import EVENTS, read_records, record
from cluster.paths import EVALUATIONS
from cyclegan.checkpoint_files.index import read_index
from cyclegan.checkpoint_files.measures import measured
from tests.cluster.held_out.test_evaluator import evaluation
from tests.cyclegan.made_checkpoint import write_checkpoint


def test_all_places_get_it(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    record(tmp_path, folder, read_index(folder), evaluation(4.5))
    assert read_records(tmp_path) == [{"step": 10, "images": [3, 4], "sliced_wasserstein": 4.5, "cycle_l1": 0.1}]
    assert measured(folder).measures == {"sliced_wasserstein": 4.5, "cycle_l1": 0.1}
    with Image.open(tmp_path / "samples/held-out-00000010.png") as table:
        assert table.width > 800
    events = EventAccumulator(str(tmp_path / EVENTS)).Reload()
    assert [(event.step, event.value) for event in events.Scalars("held out/sliced_wasserstein")] == [(10, 4.5)]
    assert [event.step for event in events.Images("held out")] == [10]


def test_lines_of_an_earlier_course_are_replaced(tmp_path: Path) -> None:
    for step, value in ((10, 3.0), (20, 2.0), (30, 1.0), (20, 5.0)):
        folder = write_checkpoint(tmp_path, step)
        record(tmp_path, folder, read_index(folder), evaluation(value))
    assert [(entry["step"], entry["sliced_wasserstein"]) for entry in read_records(tmp_path)] == [(10, 3.0), (20, 5.0)]


def test_a_deleted_checkpoint_does_not_come_back(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    index = read_index(folder)
    shutil.rmtree(folder)
    record(tmp_path, folder, index, evaluation(4.5))
    assert not folder.exists()
    assert len(read_records(tmp_path)) == 1


def test_damaged_lines_do_not_count(tmp_path: Path) -> None:
    (tmp_path / EVALUATIONS).write_bytes(b'{"step": 1}\n{"step": \n[]\n\xff\n{"step": "x"}\n{"step": 2}\n')
    assert [entry["step"] for entry in read_records(tmp_path)] == [1, 2]
