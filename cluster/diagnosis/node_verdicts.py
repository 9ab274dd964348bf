"""Verdicts on the facts of one node. Pure functions."""

import contextlib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence

from cluster.config import Config
from cluster.diagnosis.finding import Figure, Finding, Verdict
from cluster.diagnosis.node_facts import NodeFacts
from cluster.diagnosis.nodes import Node
from cluster.diagnosis.software import bytecode, software
from cluster.hardware.cpu_features import emulated

GIB = 2**30
FEW_FILES, LEAST_FILES = 4096, 1024  # open files below which Ray warns, and below which its processes fail
LITTLE_MEMORY, LEAST_MEMORY = 2 * GIB, 1 * GIB  # bytes: a worker of the smallest networks takes about one
LITTLE_CACHE = 1 * GIB
SLOW_GOVERNORS = {"powersave", "conservative", "userspace"}
HTTP_PROXIES = {"http_proxy", "all_proxy"}  # that catch requests to the dashboard
OWN_SPEED = {"intel_pstate", "amd-pstate", "amd-pstate-epp"}  # drivers whose powersave still reaches the full frequency


def verdicts(facts: NodeFacts, node: Node, config: Config, workers: int, ours: dict[str, str]) -> Iterator[Finding]:
    """All verdicts on a node that gets so many workers. ours: the versions of this command."""
    yield software(facts.versions, ours)
    yield cores(facts, node.cpus)
    yield from frequency(facts)
    if config.model.precision == "bfloat16" and not facts.bfloat16:
        yield Finding.of_message("cores", emulated("this processor"))
    yield memory(facts)
    yield object_store(facts, node.store, 2 * workers * config.data.read_ahead_mb * 2**20)
    yield open_files(*facts.open_files)
    yield bytecode(facts.bytecode, facts.no_bytecode)
    yield compile_cache(facts)


def cores(facts: NodeFacts, ray_cpus: int) -> Finding:
    """ray_cpus: CPUs that Ray may give away; 0: none, or no Ray."""
    count, numa = len(facts.cores), len({core.numa for core in facts.cores})
    logical = " ({logical} logical CPUs)" if facts.logical != count else ""
    quota = "no quota" if facts.quota is None else "a quota of {quota} CPUs"
    fact = f"{{cores}} core{'s' * (count > 1)}{logical}, {numa} NUMA node{'s' * (numa > 1)}, {quota}"
    figures = {"cores": Figure.of(count), "logical": Figure.of(facts.logical), "ray_cpus": Figure.of(ray_cpus)}
    if facts.quota is not None:
        figures["quota"] = Figure.of(facts.quota)
    if ray_cpus > facts.usable:
        excess = f"{fact}, but Ray gives away {{ray_cpus}} CPUs"
        return Finding("cores", Verdict.WARNING, excess, f"`ray start --num-cpus={facts.usable}` there", figures)
    if facts.quota is not None and facts.quota < 1:
        return Finding("cores", Verdict.WARNING, f"{fact}: less than one core computes", "raise the quota to whole CPUs", figures)
    return Finding("cores", Verdict.OK, fact, figures=figures)


def frequency(facts: NodeFacts) -> Iterator[Finding]:
    """Nothing where the governor cannot be read."""
    slow = {governor for driver, governor in facts.governors if governor in SLOW_GOVERNORS and driver not in OWN_SPEED}
    if slow:
        fact = f"the governor {', '.join(sorted(slow))} keeps the processor below its full frequency"
        yield Finding("frequency", Verdict.WARNING, fact, "as root: `cpupower frequency-set -g performance`")
    elif facts.governors:
        yield Finding("frequency", Verdict.OK, f"governor {', '.join(sorted({governor for _, governor in facts.governors}))}")


def memory(facts: NodeFacts) -> Finding:
    """How much is available now; what the configuration needs is another check."""
    figures = {"available": Figure.of(facts.available, "bytes"), "memory": Figure.of(facts.memory, "bytes")}
    fact = "{available} available of {memory}" + (" that the cgroup grants" if facts.memory < facts.machine_memory else "")
    if facts.available < LITTLE_MEMORY:
        verdict = Verdict.PROBLEM if facts.available < LEAST_MEMORY else Verdict.WARNING
        return Finding("memory", verdict, f"only {fact}", "end what else runs there, or raise the container's limit", figures)
    return Finding("memory", Verdict.OK, fact, figures=figures)


def object_store(facts: NodeFacts, store: float, needed: float) -> Finding:
    """store: bytes that Ray was given; 0: no Ray. needed: bytes that the feeds of the workers there read ahead."""
    check = "object store"
    figures = {"shared": Figure.of(facts.shared, "bytes"), "store": Figure.of(store, "bytes"), "needed": Figure.of(needed, "bytes")}
    fact = "{store} for Ray's objects, /dev/shm has {shared}" if store else "/dev/shm has {shared}"
    if store > facts.shared:
        cure = "enlarge /dev/shm (docker run --shm-size=…, or a larger tmpfs), or lower `ray start --object-store-memory`"
        return Finding(check, Verdict.WARNING, f"{fact}: Ray keeps them in files on a disk", cure, figures)
    if store and store < needed:
        cure = "raise `ray start --object-store-memory`, or lower data.read_ahead_mb"
        return Finding(check, Verdict.WARNING, f"{fact}, but the feeds may fill {{needed}}", cure, figures)
    return Finding(check, Verdict.OK, fact, figures=figures)


def open_files(soft: int, hard: int) -> Finding:
    """The limit of processes that Ray starts there."""
    if soft < 0 or soft >= FEW_FILES:
        return Finding("open files", Verdict.OK, f"limit {'none' if soft < 0 else '{limit}'}", figures={"limit": Figure.of(soft)})
    verdict = Verdict.PROBLEM if soft < LEAST_FILES else Verdict.WARNING
    wanted = 65536 if hard < 0 else min(hard, 65536)
    raised = f"`ulimit -n {wanted}` before `ray start`" if wanted >= FEW_FILES else "raise nofile in /etc/security/limits.conf to 65536"
    fact = "limit {limit}, which Ray's processes exceed" if verdict is Verdict.PROBLEM else "limit {limit}, which many workers may exceed"
    return Finding("open files", verdict, fact, raised, {"limit": Figure.of(soft)})


def compile_cache(facts: NodeFacts) -> Finding:
    """Whether compiled programs can be kept."""
    check = "compile cache"
    if facts.cache_fact:
        return Finding.of_message(check, facts.cache_fact)
    figures = {"free": Figure.of(facts.cache_free, "bytes")}
    if facts.cache_free < LITTLE_CACHE:
        cure = "make room, or set cluster.compile_cache to a folder on another disk"
        return Finding(check, Verdict.WARNING, f"only {{free}} free in {facts.cache}", cure, figures)
    return Finding(check, Verdict.OK, f"{facts.cache}, {{free}} free", figures=figures)


def proxies(found: Mapping[str, str], no_proxy: str, addresses: Sequence[str]) -> Iterator[Finding]:
    """Nothing without a proxy. found: proxies by variable. addresses: of all nodes, which reach each other directly in any case."""
    if not found:
        return
    names = " and ".join(found)
    caught = [address for address in addresses if not bypasses(address, no_proxy)]
    if caught and HTTP_PROXIES.intersection(found):
        fact = f"{names} set, but no_proxy does not name {_some(caught)}: `ray job submit` would ask the proxy for the cluster"
        yield Finding("proxies", Verdict.WARNING, fact, f"export no_proxy={','.join([*filter(None, [no_proxy]), *sorted(caught)])}")
    else:
        yield Finding("proxies", Verdict.OK, f"{names} set, which no request between the nodes goes through")


def bypasses(host: str, no_proxy: str) -> bool:
    """Whether a host is reached without a proxy: it is loopback, or named by its name or its ending, a network (10.0.0.0/8), or `*`."""
    entries = [entry.strip().lstrip(".").lower() for entry in no_proxy.split(",") if entry.strip()]
    if host == "localhost" or "*" in entries or any(host.lower() == entry or host.lower().endswith(f".{entry}") for entry in entries):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or any(address in network for network in _networks(entries))


def _networks(entries: Sequence[str]) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for entry in entries:
        with contextlib.suppress(ValueError):
            yield ipaddress.ip_network(entry, strict=False)


def alike(facts: dict[Node, NodeFacts]) -> Iterator[Finding]:
    """Whether nodes that compute have as many cores: the slowest worker sets the pace of all."""
    counts = {node: len(found.cores) for node, found in facts.items() if node.cpus}
    most = max(counts.values(), default=0)
    fewer = [node.name for node, count in counts.items() if count < most]
    if fewer:
        figures = {"fewer": Figure(min(counts.values()), "count", max(c for c in counts.values() if c < most)), "most": Figure.of(most)}
        fact = "{fewer} cores where other nodes have {most}: every step waits for the slowest worker"
        cure = "use nodes of one kind, or set cluster.cpus_per_worker to what the smallest node can give"
        yield Finding("cores", Verdict.WARNING, fact, cure, figures, tuple(fewer))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
