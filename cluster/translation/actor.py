"""The Ray actor that translates jobs on its share of a node."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cluster.hardware.affinity import bind_process
from cluster.translation.placement import Seat
from cyclegan.import_tensorflow import import_tensorflow
from cyclegan.inference.job_translator import JobTranslator, Skipped, TranslationSettings, Written
from cyclegan.inference.translation_plan import Shape


class Started(NamedTuple):
    """What an actor says of itself."""

    pid: int
    host: str
    cores: tuple[int, ...]


class TranslationActor:
    """Holds one generator. Several calls of `translate` at a time overlap files and computation."""

    def __init__(self, settings: TranslationSettings, shapes: Sequence[Shape], seat: Seat) -> None:
        share = bind_process(seat.index, seat.actors, seat.cpus)
        import_tensorflow(3)
        from cluster.worker.strategy import set_threads

        set_threads(len(share.compute))
        self._started = Started(os.getpid(), os.uname().nodename, share.compute)
        self._translate = JobTranslator(settings, shapes)

    def started(self) -> Started:
        """Answered once the actor is ready."""
        return self._started

    def translate(self, files: Sequence[tuple[Path, Path]], shape: Shape | None) -> list[Written | Skipped]:
        """See `JobTranslator`."""
        return self._translate(files, shape)
