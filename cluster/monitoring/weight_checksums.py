"""Whether all workers hold the same weights: they must, bit for bit, as they start equal and apply equal updates."""

import zlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt


def checksum(vectors: Iterable[npt.NDArray[Any]]) -> int:
    """CRC-32 of flat vectors, one after the other: about 4 GB/s, sure to see a single flipped bit."""
    value = 0
    for vector in vectors:
        value = zlib.crc32(np.ascontiguousarray(vector).view(np.uint8).data, value)
    return value


class Agreement:
    """Compares the checksums of `workers` workers as they come in, step by step.

    agreed: the newest step at which all were equal, 0 before. differ: who differed at the first step where they were not, in words, or "".
    """

    def __init__(self, workers: int) -> None:
        self.agreed = 0
        self.differ = ""
        self._workers = workers
        self._values: dict[int, dict[int, int]] = {}

    def note(self, rank: int, step: int, value: int) -> None:
        """A worker's checksum after `step`."""
        values = self._values.setdefault(step, {})
        values[rank] = value
        if len(values) < self._workers:
            return
        del self._values[step]
        (usual, count), *others = Counter(values.values()).most_common()
        if not others:
            self.agreed = max(self.agreed, step)
        elif not self.differ:
            odd = sorted(r for r, v in values.items() if v != usual)
            who = (
                f"worker{'s' if len(odd) > 1 else ''} {', '.join(map(str, odd))}" if 2 * count > self._workers else "one worker or another"
            )
            self.differ = f"the weights of {who} differ from the others' after step {step:,}: memory or processor at fault"
