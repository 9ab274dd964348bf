"""Whether all workers hold the same weights: they must, bit for bit, since they start equal and apply equal updates."""

import zlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt


def checksum(vectors: Iterable[npt.NDArray[Any]]) -> int:
    """CRC-32 of the concatenation of flat vectors: about 4 GB/s, and certain to detect a single flipped bit."""
    value = 0
    for vector in vectors:
        value = zlib.crc32(np.ascontiguousarray(vector).view(np.uint8).data, value)
    return value


class ChecksumComparison:
    """Compares the checksums of `workers` workers as they arrive, step by step.

    verified_step: the newest step at which all were equal, 0 before. mismatch: which workers differed at the first step where they
    were not equal, as a message, or "".
    """

    def __init__(self, workers: int) -> None:
        self.verified_step = 0
        self.mismatch = ""
        self._workers = workers
        self._values: dict[int, dict[int, int]] = {}

    def add(self, rank: int, step: int, value: int) -> None:
        """Add a worker's checksum after `step`."""
        values = self._values.setdefault(step, {})
        values[rank] = value
        if len(values) < self._workers:
            return
        del self._values[step]
        (usual, count), *others = Counter(values.values()).most_common()
        if not others:
            self.verified_step = max(self.verified_step, step)
        elif not self.mismatch:
            odd = sorted(r for r, v in values.items() if v != usual)
            majority = 2 * count > self._workers
            who = f"worker{'s' if len(odd) > 1 else ''} {', '.join(map(str, odd))}" if majority else "at least one worker"
            self.mismatch = f"the weights of {who} differ from the others' after step {step:,}: faulty memory or processor"
