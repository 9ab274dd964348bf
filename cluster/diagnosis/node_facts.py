"""What a node tells about itself."""

import os
import resource
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from cluster.diagnosis.software import bytecode_state, versions
from cluster.hardware.cgroup import cpu_quota
from cluster.hardware.cpu_features import CPUINFO, has_bfloat16
from cluster.hardware.cpu_tree import Core, read_cores
from ringcycle.errors import UserError
from ringcycle.memory import available_memory, total_memory
from ringcycle.user_cache import compile_cache

SHARED_MEMORY = Path("/dev/shm")
PROXIES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy")
_FREQUENCIES = "sys/devices/system/cpu/cpu{}/cpufreq/{}"


@dataclass(frozen=True)
class NodeFacts:
    """Facts of one node, as a process of Ray's sees it.

    versions: see `software.versions`. bytecode: see `software.bytecode_state`; no_bytecode: whether Python is told to write none.
    cores: physical ones. quota: CPUs' worth of time, None without a limit. governors: pairs of driver and governor of the frequency.
    memory, available: bytes, within cgroups; machine_memory: without them. shared, shared_free: bytes of /dev/shm; 0 without it.
    open_files: soft and hard limit. proxies: by variable, lower case. no_proxy: hosts that are reached without one.
    cache: folder of compiled programs, or empty; cache_fact: why it cannot be used, or empty; cache_free: bytes.
    """

    versions: dict[str, str]
    bytecode: str
    no_bytecode: bool
    cores: list[Core]
    quota: float | None
    governors: frozenset[tuple[str, str]]
    bfloat16: bool
    memory: int
    machine_memory: int
    available: int
    shared: int
    shared_free: int
    open_files: tuple[int, int]
    proxies: dict[str, str]
    no_proxy: str
    cache: str
    cache_fact: str
    cache_free: int

    @property
    def logical(self) -> int:
        """Logical CPUs that this process may use."""
        return sum(len(core.threads) for core in self.cores)

    @property
    def usable(self) -> int:
        """Logical CPUs that can be busy at the same time."""
        return self.logical if self.quota is None else max(1, min(self.logical, int(self.quota)))


def gather(given_cache: str) -> NodeFacts:
    """The facts of the node that this runs on. given_cache: `cluster.compile_cache`."""
    allowed = os.sched_getaffinity(0)
    shared = shutil.disk_usage(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else None
    cache, cache_fact, cache_free = _cache(given_cache)
    proxies, no_proxy = proxies_of(os.environ)
    return NodeFacts(
        versions=versions(),
        bytecode=bytecode_state(),
        no_bytecode=bool(os.environ.get("PYTHONDONTWRITEBYTECODE")),
        cores=read_cores(allowed),
        quota=cpu_quota(),
        governors=read_governors(allowed),
        bfloat16=has_bfloat16(CPUINFO.read_text()),
        memory=total_memory(),
        machine_memory=psutil.virtual_memory().total,
        available=available_memory(),
        shared=shared.total if shared else 0,
        shared_free=shared.free if shared else 0,
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE),
        proxies=proxies,
        no_proxy=no_proxy,
        cache=cache,
        cache_fact=cache_fact,
        cache_free=cache_free,
    )


def proxies_of(environment: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The proxies by variable, of either spelling, and the hosts that are reached without one."""
    both = {name: environment.get(name) or environment.get(name.upper()) or "" for name in (*PROXIES, "no_proxy")}
    return {name: both[name] for name in PROXIES if both[name]}, both["no_proxy"]


def read_governors(cpus: Iterable[int], root: Path = Path("/")) -> frozenset[tuple[str, str]]:
    """Driver and governor of the frequency of each of these CPUs; none where they cannot be read, as in most virtual machines."""
    found = set()
    for cpu in cpus:
        driver, governor = (root / _FREQUENCIES.format(cpu, name) for name in ("scaling_driver", "scaling_governor"))
        try:
            found.add((driver.read_text().strip(), governor.read_text().strip()))
        except OSError:
            continue
    return frozenset(found)


def _cache(given: str) -> tuple[str, str, int]:
    try:
        cache = compile_cache(given)
        return str(cache), "", shutil.disk_usage(cache.parent).free
    except (UserError, OSError) as error:
        return "", str(error), 0
