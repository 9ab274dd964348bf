"""How the CPUs of a cluster are dealt to workers."""

from collections.abc import Sequence


def cpus_for_each(nodes: Sequence[int], workers: int) -> int:
    """The most CPUs that each of `workers` can have when none is split over nodes; 0 if they do not fit. nodes: CPUs of each."""
    for cpus in range(max(nodes, default=0), 0, -1):
        if sum(node // cpus for node in nodes) >= workers:
            return cpus
    return 0
