"""Real checkpoints of small networks that were never trained."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np

from cyclegan.checkpoint_files.folders import drop_leftovers
from cyclegan.checkpoint_files.index import Index, publish
from cyclegan.checkpoint_files.parts import write_part, written_parts
from cyclegan.config import ImageFormat, ModelSpec
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.shapes import generator_shapes

Fields = Mapping[str, Mapping[str, object]]
MODEL = ModelSpec(filters=4, blocks=1, discriminator_filters=4)
SIZE = FlatParameters(generator_shapes(MODEL)).size


def weights(seed: int = 0) -> np.ndarray:
    """Large enough for strong colours."""
    return np.random.default_rng(seed).normal(0, 0.2, SIZE).astype(np.float32)


def write_checkpoint(
    folder: Path,
    step: int = 10,
    model: ModelSpec = MODEL,
    flat: np.ndarray | None = None,
    fields: Fields = MappingProxyType({}),
    average: np.ndarray | None = None,
    discriminators: np.ndarray | None = None,
) -> Path:
    """A checkpoint of two workers in the run's folder. fields: to be set in the named sections of its config; with an average, set
    `train.ema`. discriminators: their weights; None: it has none.
    """
    root = folder / "checkpoints"
    root.mkdir(parents=True, exist_ok=True)
    checkpoint = root / f"step-{step:08d}"
    arrays = {"generators.weights": weights(step) if flat is None else flat, "pool.rows": np.arange(1)}
    more = {"generators.average": average, "discriminators.weights": discriminators}
    write_part(checkpoint, 0, "x", arrays | {name: array for name, array in more.items() if array is not None})
    write_part(checkpoint, 1, "x", {"pool.rows": np.arange(1, 2)})
    parts = written_parts(checkpoint, 2, "x")
    assert parts is not None
    sections: dict[str, dict[str, object]] = {"model": model.model_dump(exclude=set(ImageFormat.model_fields)), "train": {"batch": 1}}
    config = sections | {name: {**sections.get(name, {}), **values} for name, values in fields.items()}
    publish(
        checkpoint,
        Index(
            step=step,
            position=step,
            workers=2,
            fingerprint="f",
            images=ImageFormat(**model.model_dump(include=set(ImageFormat.model_fields))),
            written=datetime.now(UTC),
            cycle_loss=None,
            versions={},
            config=config,
            parts=parts,
        ),
    )
    drop_leftovers(checkpoint)
    return checkpoint


def damage(checkpoint: Path) -> None:
    """Change one bit of the weights."""
    part = checkpoint / "part-00000-x.npz"
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
