"""Shards of a few random images, a plan for them, and the batches that must result."""

from pathlib import Path
from typing import Literal

import numpy as np

from preprocess.feed.plan import Plan, WorkerShare, offset
from preprocess.images.decoded_image import ImageArray
from preprocess.shards.manifest import FORMAT, Manifest, Split
from preprocess.shards.shard_set import write_shard
from ringcycle.domains import TRAIN_SPLITS

Dtype = Literal["uint8", "uint16"]

SIZES = (13, 20)
PLAN = Plan(SIZES, seed=5, crop_size=64, flip=True)


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


def expected(position: int, share: WorkerShare, dtype: Dtype = "uint8") -> ImageArray:
    """The batch [2, batch, 64, 64, 3] at a position, straight from the plan."""
    rows = PLAN.worker_rows(position, share)
    out = np.empty((2, share.batch, 64, 64, 3), dtype)
    for domain, row in np.ndindex(2, share.batch):
        top, left = (int(offset(share[domain, row], 6)) for share in (rows.top, rows.left))
        square = _images(domain, dtype)[rows.index[domain, row], top : top + 64, left : left + 64]
        out[domain, row] = square[:, ::-1] if rows.flip[domain, row] else square
    return out


def _images(domain: int, dtype: Dtype) -> ImageArray:
    return np.random.default_rng(domain).integers(0, np.iinfo(dtype).max, (SIZES[domain], 70, 70, 3), dtype=dtype)
