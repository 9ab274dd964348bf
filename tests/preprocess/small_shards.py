"""Shards of a few random images, a plan for them, and the batches that must result."""

from pathlib import Path
from typing import Literal

import numpy as np

from preprocess.feed.augment import turned
from preprocess.feed.plan import Plan, WorkerShare, offset
from preprocess.images.colour_jitter import Jitter, JitterStrengths, jittered
from preprocess.images.decoded_image import ImageArray
from preprocess.shards.manifest import FORMAT, Manifest, Split
from preprocess.shards.shard_set import write_shard
from ringcycle.domains import TRAIN_SPLITS

Dtype = Literal["uint8", "uint16"]

SIZES = (13, 20)
PLAN = Plan(SIZES, seed=5, crop_size=(64, 64), flip=True)
WIDE = Plan(SIZES, seed=5, crop_size=(32, 64), flip=True, flip_vertical=True, jitter=JitterStrengths(0.2, 0.2, 0.2, 0.05))


def make_shards(folder: Path, dtype: Dtype = "uint8") -> Path:
    """Write both domains in shards of 6 images and a remainder; returns the folder."""
    folder.mkdir(exist_ok=True)
    splits = {}
    for domain, name in enumerate(TRAIN_SPLITS):
        images = _images(domain, dtype)
        parts = [images[i : i + 6] for i in range(0, len(images), 6)]
        files = [write_shard(folder / f"{name}-{i}.arrow", [f"{i}-{j}" for j in range(len(p))], list(p)) for i, p in enumerate(parts)]
        splits[name] = Split(count=len(images), shards=files, smallest=(70, 70), largest=(70, 70))
    make_manifest(splits, dtype).save(folder)
    return folder


def make_manifest(splits: dict[str, Split], dtype: Dtype = "uint8", channels: tuple[int, int] = (3, 3)) -> Manifest:
    """A manifest of these splits, with nothing rejected."""
    return Manifest(
        format=FORMAT,
        fingerprint="0" * 16,
        source="here",
        preprocess="resize_and_crop",
        load_size=70,
        crop_size=None,
        dtype=dtype,
        channels=channels,
        splits=splits,
        rejected=[],
        duplicates=[],
        near_constant=[],
    )


def expected(position: int, share: WorkerShare, dtype: Dtype = "uint8", plan: Plan = PLAN) -> ImageArray:
    """The batch [2, batch, H, W, 3] at a position, straight from the plan."""
    rows, (height, width) = plan.worker_rows(position, share), plan.crop_size
    out = np.empty((2, share.batch, height, width, 3), dtype)
    for at in np.ndindex(2, share.batch):
        top, left = int(offset(rows.top[at], 70 - height)), int(offset(rows.left[at], 70 - width))
        cut = _images(at[0], dtype)[rows.index[at], top : top + height, left : left + width]
        cut = turned(cut, bool(rows.flip[at]), bool(rows.flip_vertical[at]), int(rows.turns[at]))
        if rows.jitter is not None:
            *drawn, order = rows.jitter[at]
            cut = jittered(cut, Jitter(*drawn, order=int(order)))
        out[at] = cut
    return out


def _images(domain: int, dtype: Dtype) -> ImageArray:
    return np.random.default_rng(domain).integers(0, np.iinfo(dtype).max, (SIZES[domain], 70, 70, 3), dtype=dtype)
