"""Image grids of a run, few and small enough to lie inside a page."""

import base64
import io
import re
from dataclasses import dataclass

from PIL import Image

from cluster.paths import SAMPLES
from cluster.reporting.thin import stride
from ringcycle.storage.location import Location
from ringcycle.storage.store import Store

FILE = re.compile(r"(step|held-out)-(\d{1,15})\.png")
MOST = 24
"""Images of a kind."""
IMAGE_BYTES = 5_000_000
"""Of all images of a page together, before they are written as text, which takes a third more."""
LARGEST = 64 * 2**20  # bytes of a file that is read
SIDES = 1280, 1600  # most pixels of width and height
QUALITIES = 82, 65
SMALLEST = 160  # pixels of width below which an image is no longer made smaller


@dataclass(frozen=True)
class Sample:
    """A grid. uri: `data:` URI of a WebP image of these pixels."""

    step: int
    uri: str
    width: int
    height: int


class SampleFolder:
    """The folder of grids of one run. What was encoded before is encoded again only if its file has changed."""

    def __init__(self, run: Location) -> None:
        self._store = Store(run)
        self._encoded: dict[tuple[object, ...], Sample | None] = {}

    def read(self, most: int, each: int, batch: int) -> dict[str, list[Sample]]:
        """At most `most` of each kind ("step", "held-out"), by step, each of at most about `each` bytes. Raises OSError.

        batch: images of each domain that a grid of kind "step" may show; 0: unknown.
        """
        kinds: dict[str, dict[int, tuple[str, object]]] = {}
        for info in self._store.entries(SAMPLES):
            match = FILE.fullmatch(info.base_name)
            if match and 0 < info.size <= LARGEST:
                kinds.setdefault(match[1], {})[int(match[2])] = (info.base_name, (info.size, info.mtime_ns))
        result: dict[str, list[Sample]] = {}
        kept: dict[tuple[object, ...], Sample | None] = {}
        for kind, files in sorted(kinds.items()):
            steps = sorted(files)
            for step in (steps[i] for i in stride(len(steps), most)):
                name, version = files[step]
                key = (name, version, each)
                if key in self._encoded:
                    kept[key] = self._encoded[key]
                else:
                    kept[key] = _encode(self._store.read(f"{SAMPLES}/{name}"), step, each, batch if kind == "step" else 0)
                sample = kept[key]
                if sample is not None:
                    result.setdefault(kind, []).append(sample)
        self._encoded = kept
        return result


def shares(runs: int) -> tuple[int, int]:
    """How many grids of each kind to take of each of `runs` runs, and how many bytes each, so that all have at most IMAGE_BYTES."""
    most = max(4, MOST // runs)
    return most, IMAGE_BYTES // (runs * 2 * most)


def _encode(content: bytes, step: int, each: int, batch: int) -> Sample | None:
    """None for what is no image."""
    try:
        with Image.open(io.BytesIO(content)) as opened:
            image = _shortened(opened.convert("RGB"), batch)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    image.thumbnail(SIDES)
    while True:
        for quality in QUALITIES:
            file = io.BytesIO()
            image.save(file, "WEBP", quality=quality)
            if file.tell() <= each:
                return _sample(step, file, image)
        if image.width <= SMALLEST:
            return _sample(step, file, image)
        image = image.resize((max(1, image.width * 3 // 4), max(1, image.height * 3 // 4)), Image.Resampling.LANCZOS)


def _shortened(grid: Image.Image, batch: int) -> Image.Image:
    """A grid too high to be looked at, without most images of its batch: the first ones of each direction (`telemetry.grid`)."""
    height = grid.height // (2 * batch) if batch else 0
    rows = SIDES[1] // (2 * height) if height else 0
    if not height or grid.height % (2 * batch) or grid.height <= SIDES[1] or not 0 < rows < batch:
        return grid
    short = Image.new("RGB", (grid.width, 2 * rows * height))
    for direction in range(2):
        top = direction * batch * height
        short.paste(grid.crop((0, top, grid.width, top + rows * height)), (0, direction * rows * height))
    return short


def _sample(step: int, file: io.BytesIO, image: Image.Image) -> Sample:
    uri = "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
    return Sample(step, uri, image.width, image.height)
