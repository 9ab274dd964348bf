"""Metrics as JSON lines and TensorBoard event files, and grids of sample images."""

import contextlib
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary

from cluster.monitoring.event_file import EventFile
from cyclegan.training.pixels import to_pixels
from preprocess.images.decoded_image import to_rgb8


class MetricsLog:
    """Appends one JSON object per line to metrics.jsonl, and the same scalars to event files.

    First removes the lines of later steps than `step`, left by an attempt that got further than its last checkpoint.
    """

    def __init__(self, file: Path, events: Path, step: int) -> None:
        _cut_after(file, step)
        self._file = open(file, "a", buffering=1)  # noqa: SIM115  (closed in `close`)
        self._events = EventFile(events, step)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Write the values of one step. Raises OSError, as `image` does, if the storage does not accept all of it."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._events.add(step, [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])

    def image(self, step: int, tag: str, image: Image.Image) -> None:
        """Add an image to the event files."""
        png = io.BytesIO()
        image.save(png, "PNG")
        image = Summary.Image(height=image.height, width=image.width, colorspace=3, encoded_image_string=png.getvalue())
        self._events.add(step, [Summary.Value(tag=tag, image=image)])

    def close(self) -> None:
        """Close; what a failing storage did not accept is lost."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._events.close()


def grid(
    real: npt.NDArray[Any], fake: npt.NDArray[np.floating], cycled: npt.NDArray[np.floating], channels: tuple[int, int] = (3, 3)
) -> Image.Image:
    """Real, fake and cycled images side by side, one line of images for each direction and image of the batch.

    real `[2, B, H, W, C]` uint8 or uint16 (A, B); fake (fake_B, fake_A) and cycled (cycled_B, cycled_A) in [-1, 1].
    channels: how many of C the images of A and of B have.
    """
    columns = ((real, channels), (to_pixels(fake), channels[::-1]), (to_pixels(cycled[::-1]), channels))
    lines = [
        np.concatenate([to_rgb8(column[direction, image, ..., : has[direction]]) for column, has in columns], 1)
        for direction in range(2)
        for image in range(real.shape[1])
    ]
    return Image.fromarray(np.concatenate(lines, 0))


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
    except (ValueError, KeyError, TypeError):  # cut short by a kill
        return float("inf")
