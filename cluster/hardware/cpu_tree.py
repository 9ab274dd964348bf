"""Physical cores, hyperthreads, sockets and NUMA nodes, as Linux shows them below /sys."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

DEVICES = "sys/devices/system"


@dataclass(frozen=True, order=True)
class Core:
    """A physical core, by socket, NUMA node, then number. threads: those of its logical CPUs that this process may use."""

    socket: int
    numa: int
    threads: tuple[int, ...]


def read_cores(allowed: Iterable[int], root: Path = Path("/")) -> list[Core]:
    """The cores of the `allowed` logical CPUs, sorted, so that neighbours share a socket: CPU numbers often alternate between sockets.

    allowed: from `os.sched_getaffinity`, which respects cpusets. root: where /sys lies; a recorded tree in tests.
    Where /sys lacks these files, as in some sandboxes, one socket and one NUMA node without hyperthreads are assumed.
    """
    mine = frozenset(allowed)
    numa = _numa_nodes(root)
    cores = {}
    for cpu in mine:
        topology = root / DEVICES / f"cpu/cpu{cpu}/topology"
        siblings = topology / "thread_siblings_list"
        threads = tuple(sorted(mine.intersection(parse_cpu_list(siblings.read_text())))) if siblings.is_file() else (cpu,)
        package = topology / "physical_package_id"
        cores[threads[0]] = Core(int(package.read_text()) if package.is_file() else 0, numa.get(cpu, 0), threads)
    return sorted(cores.values())


def parse_cpu_list(text: str) -> list[int]:
    """Linux's list format: `0-5,12-17` → the twelve numbers; an empty line is an empty list."""
    result: list[int] = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        result += range(int(first), int(last or first) + 1)
    return result


def _numa_nodes(root: Path) -> dict[int, int]:
    """NUMA node of each logical CPU; NUMA nodes that are only memory have no CPUs."""
    lists = (root / DEVICES / "node").glob("node[0-9]*/cpulist")
    return {cpu: int(path.parent.name.removeprefix("node")) for path in lists for cpu in parse_cpu_list(path.read_text())}
