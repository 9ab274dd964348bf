"""Known pairs among unpaired images, by the images' numbers within their domains."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]


def _none() -> Int64:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Pairs:
    """a, b: [pairs], the images of A in ascending order, and the partner of each in B."""

    a: Int64 = field(default_factory=_none)
    b: Int64 = field(default_factory=_none)

    def __post_init__(self) -> None:
        assert self.a.shape == self.b.shape and (np.diff(self.a) > 0).all(), (self.a, self.b)

    def __len__(self) -> int:
        return len(self.a)

    def partners(self, a: Int64) -> tuple[npt.NDArray[np.bool_], Int64]:
        """Which images of A have a partner, and its number, or 0 for those that have none."""
        if not len(self):
            return np.zeros(a.shape, np.bool_), np.zeros_like(a)
        at = np.searchsorted(self.a, a).clip(max=len(self) - 1)
        known = self.a[at] == a
        return known, np.where(known, self.b[at], 0)

    def fingerprint(self) -> str:
        """Identifies the pairs, whatever the order of their list, 16 hexadecimal digits; empty if there are none."""
        return hashlib.blake2b(np.stack([self.a, self.b]).tobytes(), digest_size=8).hexdigest() if len(self) else ""


NO_PAIRS = Pairs()
