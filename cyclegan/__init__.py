"""CycleGAN on one device: networks, training step, checkpoints, translation and evaluation.

`load` is the way in for other programs. Never imports Ray or `cluster`; importing this package imports no TensorFlow.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from cyclegan.inference.generator import Generator


def load(
    run: str | Path,
    direction: Literal["AtoB", "BtoA"] = "AtoB",
    *,
    which: Literal["newest", "best"] = "newest",
    scale: int | Literal["trained", "native"] = "trained",
    restore_size: bool = False,
) -> "Generator":
    """The generator of a run's newest or best checkpoint, or of one checkpoint, ready to translate.

    run: folder of a run or of a checkpoint, also in an object store (s3://, gs://). scale: the size at which images are translated: as the
    training resized its own, as they are, or with so many pixels on the shorter side. restore_size: scale results to their image's size.
    Raises `ringcycle.errors.UserError`, one line, if one of the arguments is not what it should be.
    """
    from cyclegan.inference.generator import Generator
    from cyclegan.inference.generator_checkpoint import read_direction, read_generators, read_which
    from cyclegan.inference.scale import read_scale
    from ringcycle.storage.location import as_location

    way, chosen = read_direction(direction, "direction"), read_which(which, "which")
    size = read_scale(str(scale), restore_size, "scale")
    trained = read_generators(as_location(str(run)), chosen, "run")
    trained.check_trained(way, "direction")
    return Generator(trained, way, size)
