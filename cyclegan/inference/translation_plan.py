"""Which images are translated together by an XLA program, and which one by one: a pure function of their sizes.

Images share a program only if they are padded to the same size anyway. Padding further would save programs but change results, since
instance norm sees the padding: on a trained network, 8 more pixels change 256x256 images by 1.8 levels of 255 on average, 32 by 4.4.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cyclegan.config import ModelSpec
from cyclegan.networks.unet_layers import unet_levels

BATCH_PIXELS = 2**19  # of a batch, with 64 filters; more gain nothing
LARGEST_BATCH = 16
LARGEST_IMAGE = 2**21  # pixels, with 64 filters: 1920x1080
MOST_PROGRAMS = 8
BYTES_PER_FILTER = 22  # of each pixel that a program computes at a time; 18 to 21 measured


class Size(NamedTuple):
    """Height and width at which an image is translated, and its bits (8 or 16)."""

    height: int
    width: int
    bits: int


class Shape(NamedTuple):
    """What a program is compiled for: so many images of this padded size and of these bits."""

    batch: int
    height: int
    width: int
    bits: int


class Job(NamedTuple):
    """Images that are translated together, by their indices: by the program of a shape, or, without one, eagerly."""

    images: tuple[int, ...]
    shape: Shape | None = None


@dataclass(frozen=True)
class Speed:
    """Operations per second of one core, eager and compiled, and what compiling a program takes, tracing included, in seconds.

    Measured for ResNet-9 with 64 filters on Zen 3 (AVX2); smaller networks are slower both ways. Only ratios matter much: with AVX-512 all
    four are faster.
    """

    eager: float = 40e9
    compiled: float = 80e9
    compile_seconds: float = 5.0
    compile_seconds_per_block: float = 1.0


def padding(height: int, width: int, model: ModelSpec) -> tuple[tuple[int, int], tuple[int, int]]:
    """What a translator adds at (top, bottom) and (left, right), to get sizes that the generator takes."""
    return (0, _padded(height, model) - height), (0, _padded(width, model) - width)


def plan_jobs(sizes: Sequence[Size | None], model: ModelSpec, cores: int, speed: Speed | None = None) -> list[Job]:
    """Jobs for images of these sizes (None: unknown), each image in one, in the order of their first images.

    A program is compiled where it saves more time on `cores` cores than compiling takes, for the MOST_PROGRAMS shapes that save most. Its
    batch does not depend on the number of images, so that the next run finds it in the cache; a last batch that is less than half full is
    translated eagerly.
    """
    speed = speed or Speed()
    groups = defaultdict[Shape, list[int]](list)
    for i, size in enumerate(sizes):
        if size is not None and (shape := shape_of(size, model)) is not None:
            groups[shape].append(i)
    saved = {shape: _seconds_saved(shape, len(images), model, cores, speed) for shape, images in groups.items()}
    chosen = sorted((shape for shape in groups if saved[shape] > 0), key=lambda shape: -saved[shape])[:MOST_PROGRAMS]
    together = [job for shape in chosen for job in _batches(groups[shape], shape)]
    taken = {i for job in together for i in job.images}
    return sorted([*together, *(Job((i,)) for i in range(len(sizes)) if i not in taken)])


def shapes_of(jobs: Iterable[Job]) -> list[Shape]:
    """The programs that jobs need, in an order that depends on nothing else."""
    return sorted({job.shape for job in jobs if job.shape})


def shape_of(size: Size, model: ModelSpec) -> Shape | None:
    """What the program for images of a size is compiled for; None if they are too large for one."""
    height, width = _padded(size.height, model), _padded(size.width, model)
    work = height * width * model.filters / 64
    if work > LARGEST_IMAGE:
        return None
    return Shape(min(max(1, int(BATCH_PIXELS / work)), LARGEST_BATCH), height, width, size.bits)


def operations(model: ModelSpec, height: int, width: int) -> float:
    """Multiplications and additions of one generator for an image, by direct convolution."""
    n = model.filters
    if model.generator == "resnet":
        return 2.0 * height * width * (98 * model.channels * n + 18 * n * n * (model.blocks + 1))
    layers = [(i, layer) for i, level in enumerate(unet_levels(model)) for layer in (level.down, level.up)]
    return 2.0 * height * width * sum(16 * layer.inputs * layer.outputs * 0.25 ** (i + 1) for i, layer in layers)


def memory_of(shape: Shape, model: ModelSpec) -> int:
    """Bytes that the program of a shape takes while it runs."""
    return BYTES_PER_FILTER * model.filters * shape.batch * shape.height * shape.width


def describe(jobs: Sequence[Job]) -> str:
    """What goes through XLA, in one line; empty if nothing does."""
    parts = []
    for shape in shapes_of(jobs):
        count = sum(len(job.images) for job in jobs if job.shape == shape)
        deep = " with 16 bits" if shape.bits == 16 else ""
        parts.append(f"{count:,} of {shape.width}x{shape.height}{deep}, {shape.batch} at a time")
    return f"compiled by XLA: {'; '.join(parts)}" if parts else ""


def _padded(side: int, model: ModelSpec) -> int:
    return max(-(-side // model.multiple) * model.multiple, model.smallest)


def _seconds_saved(shape: Shape, images: int, model: ModelSpec, cores: int, speed: Speed) -> float:
    work = images * operations(model, shape.height, shape.width) / cores
    compiling = speed.compile_seconds + speed.compile_seconds_per_block * (model.blocks if model.generator == "resnet" else model.halvings)
    return work / speed.eager - work / speed.compiled - compiling


def _batches(images: list[int], shape: Shape) -> list[Job]:
    batches = [tuple(images[i : i + shape.batch]) for i in range(0, len(images), shape.batch)]
    return [Job(batch, shape) for batch in batches if 2 * len(batch) >= shape.batch]
