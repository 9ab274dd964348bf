"""What the evaluations of a run found, in its folder: lines of JSON, event files, image tables, and a file beside each checkpoint."""

import json
import tempfile
from pathlib import Path

from tensorboard.compat.proto.summary_pb2 import Summary

from cluster.monitoring.event_file import EventFile
from cluster.paths import EVALUATIONS, SAMPLES
from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.index import Index, read_index
from cyclegan.checkpoint_files.measures import Measures, write_measures
from cyclegan.inference.evaluation_report import examples_png
from cyclegan.inference.held_out import Evaluation
from ringcycle.storage.location import Location, child
from ringcycle.storage.store import Store

EVENTS = "events/held-out"


def record(run: Location, checkpoint: Location, index: Index, evaluation: Evaluation) -> None:
    """Store an evaluation of the checkpoint with this index. Raises OSError.

    Lines of its step and later ones, left by an earlier course of the training, are replaced.
    """
    store, values = Store(run), evaluation.values
    line = {"step": index.step, "images": list(evaluation.images), **values}
    kept = [entry for entry in read_records(run) if entry["step"] < index.step]
    store.write(EVALUATIONS, "".join(json.dumps(entry) + "\n" for entry in (*kept, line)).encode())
    png = examples_png(evaluation)
    _folder(child(run, SAMPLES)).write(f"held-out-{index.step:08d}.png", png)
    _write_events(child(run, EVENTS), index.step, values, png)
    if _still_there(checkpoint, index):
        write_measures(checkpoint, Measures(checkpoint=index.sha256, step=index.step, images=min(evaluation.images), values=values))


def read_records(run: Location) -> list[dict[str, float]]:
    """What was recorded so far, in order; damaged lines are left out. Raises OSError."""
    store = Store(run)
    if store.size(EVALUATIONS) is None:
        return []
    entries = []
    for line in store.read(EVALUATIONS).decode(errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("step"), int):
            entries.append(entry)
    return entries


def _write_events(folder: Location, step: int, values: dict[str, float], png: bytes) -> None:
    """A file of its own, since nothing can be appended in an object store."""
    with tempfile.TemporaryDirectory(prefix="ringcycle-") as temporary:
        events = EventFile(Path(temporary), step)
        image = Summary.Image(colorspace=3, encoded_image_string=png)
        scalars = [Summary.Value(tag=f"held out/{name}", simple_value=value) for name, value in values.items()]
        events.add(step, [*scalars, Summary.Value(tag="held out", image=image)])
        events.close()
        for file in Path(temporary).iterdir():
            _folder(folder).write(file.name, file.read_bytes())


def _folder(location: Location) -> Store:
    """The folder, which must exist on a disk before anything is written there."""
    store = Store(location)
    if store.local is not None:
        store.local.mkdir(parents=True, exist_ok=True)
    return store


def _still_there(checkpoint: Location, index: Index) -> bool:
    try:
        return read_index(checkpoint).sha256 == index.sha256
    except DamagedCheckpoint:  # deleted meanwhile
        return False
