"""Metrics as JSON lines and TensorBoard event files, and grids of sample pictures."""

import contextlib
import io
import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary

from cluster.event_file import EventFile
from cyclegan.pixels import to_pixels


class MetricsLog:
    """Appends one object a line to metrics.jsonl and the same scalars to event files.

    Lines after `step`, left by a run that did more than it saved, are cut off first.
    """

    def __init__(self, file: Path, events: Path, step: int) -> None:
        _cut_after(file, step)
        self._file = open(file, "a", buffering=1)  # noqa: SIM115  (closed in `close`)
        self._events = EventFile(events, step)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Write values of one step. Raises OSError, as `picture` does, if the storage takes not all of it."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._events.add(step, [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])

    def picture(self, step: int, tag: str, picture: Image.Image) -> None:
        """Add a picture to the event files."""
        png = io.BytesIO()
        picture.save(png, "PNG")
        image = Summary.Image(height=picture.height, width=picture.width, colorspace=3, encoded_image_string=png.getvalue())
        self._events.add(step, [Summary.Value(tag=tag, image=image)])

    def close(self) -> None:
        """Close; what a failing storage did not take is lost."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._events.close()


def grid(real: npt.NDArray[np.uint8], fake: npt.NDArray[np.floating], cycled: npt.NDArray[np.floating]) -> Image.Image:
    """Real, fake and cycled pictures side by side, one row for each direction and picture.

    real `[2, B, H, W, C]` uint8 (A, B); fake (fake_B, fake_A) and cycled (cycled_B, cycled_A) in [-1, 1].
    """
    columns = (real, to_pixels(fake), to_pixels(cycled[::-1]))
    rows = [
        np.concatenate([column[direction, picture] for column in columns], 1) for direction in range(2) for picture in range(real.shape[1])
    ]
    return Image.fromarray(np.concatenate(rows, 0))


def _cut_after(file: Path, step: int) -> None:
    if not file.is_file():
        return
    lines = file.read_text().splitlines()
    kept = [line for line in lines if _step_of(line) <= step]
    if len(kept) < len(lines):
        beside = file.with_suffix(".partial")
        beside.write_text("".join(line + "\n" for line in kept))
        os.replace(beside, file)


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):  # torn by a kill in mid-write
        return float("inf")
