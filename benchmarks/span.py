"""A stretch of time."""

from typing import NamedTuple


class Span(NamedTuple):
    """When something ran, in seconds of one clock."""

    begin: float
    end: float
    name: str

    def beside(self, other: "Span") -> float:
        """Seconds that both ran."""
        return max(0.0, min(self.end, other.end) - max(self.begin, other.begin))
