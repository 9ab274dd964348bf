"""An interval of time."""

from typing import NamedTuple


class Span(NamedTuple):
    """When something ran, in seconds of one clock."""

    begin: float
    end: float
    name: str

    def overlap(self, other: "Span") -> float:
        """Seconds during which both ran."""
        return max(0.0, min(self.end, other.end) - max(self.begin, other.begin))
