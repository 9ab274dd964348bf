"""Divides time among what ran at the same time."""

from collections import defaultdict
from collections.abc import Iterable

from benchmarks.span import Span


def time_shares(spans: Iterable[Span]) -> dict[str, float]:
    """Seconds by name: each moment is divided equally among all spans that hold it, so that the sum is the time when any ran."""
    edges = sorted(edge for span in spans if span.end > span.begin for edge in ((span.begin, 1, span.name), (span.end, -1, span.name)))
    shares: dict[str, float] = defaultdict(float)
    running: dict[str, int] = defaultdict(int)
    before = 0.0
    for moment, change, name in edges:
        count = sum(running.values())
        for other, number in running.items():
            if number:
                shares[other] += (moment - before) * number / count
        running[name] += change
        before = moment
    return dict(shares)
