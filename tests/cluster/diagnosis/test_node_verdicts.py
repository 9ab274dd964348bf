"""Verdicts on a node's facts, with their thresholds and cures."""

import pytest

from cluster.config import Config
from cluster.diagnosis.finding import Finding, Verdict
from cluster.diagnosis.node_verdicts import (
    alike,
    bypasses,
    compile_cache,
    cores,
    frequency,
    memory,
    object_store,
    open_files,
    proxies,
    verdicts,
)
from cluster.load_config import load_config
from tests.cluster.diagnosis.facts import GIB, HEALTHY, facts, node

OK, WARNING, PROBLEM = Verdict


def shown(finding: Finding) -> tuple[Verdict, str, str]:
    return finding.verdict, finding.text, finding.cure


def test_a_healthy_node_has_nothing_but_good_verdicts() -> None:
    found = list(verdicts(HEALTHY, node(1), Config(), 1, HEALTHY.versions))
    assert {finding.verdict for finding in found} == {OK}
    assert not any(finding.cure for finding in found)
    assert [finding.check for finding in found] == [
        *("software", "cores", "frequency", "memory", "object store", "open files", "bytecode", "compile cache")
    ]


def test_cores_and_what_ray_gives_away() -> None:
    assert shown(cores(HEALTHY, 8)) == (OK, "4 cores (8 logical CPUs), 2 NUMA nodes, no quota", "")
    verdict, text, cure = shown(cores(facts(quota=2.5), 8))
    assert (verdict, cure) == (WARNING, "`ray start --num-cpus=2` there")
    assert text == "4 cores (8 logical CPUs), 2 NUMA nodes, a quota of 2.5 CPUs, but Ray gives away 8 CPUs"
    assert cores(facts(quota=2.5), 2).verdict is OK
    assert shown(cores(facts(quota=0.5), 1))[::2] == (WARNING, "raise the quota to whole CPUs")


def test_frequency() -> None:
    slow = list(frequency(facts(governors=frozenset({("acpi-cpufreq", "powersave"), ("acpi-cpufreq", "performance")}))))
    assert shown(slow[0])[::2] == (WARNING, "as root: `cpupower frequency-set -g performance`")
    fast = list(frequency(facts(governors=frozenset({("intel_pstate", "powersave")}))))  # which only means: decided by the processor
    assert shown(fast[0])[:2] == (OK, "governor powersave")
    assert list(frequency(facts(governors=frozenset()))) == []


@pytest.mark.parametrize(("gib", "verdict"), [(0.9, PROBLEM), (1.5, WARNING), (2.0, OK)])
def test_memory(gib: float, verdict: Verdict) -> None:
    finding = memory(facts(available=int(gib * GIB)))
    assert finding.verdict is verdict and bool(finding.cure) is (verdict is not OK)
    assert finding.text.endswith(" available of 64.0 GiB")
    assert memory(facts(memory=4 * GIB, available=3 * GIB)).text == "3.0 GiB available of 4.0 GiB that the cgroup grants"


def test_object_store() -> None:
    assert shown(object_store(HEALTHY, GIB, GIB)) == (OK, "1.0 GiB for Ray's objects, /dev/shm has 32.0 GiB", "")
    verdict, text, cure = shown(object_store(facts(shared=64 * 2**20), GIB, 0))
    assert (verdict, text) == (WARNING, "1.0 GiB for Ray's objects, /dev/shm has 64 MiB: Ray keeps them in files on a disk")
    assert "--shm-size" in cure and "--object-store-memory" in cure
    verdict, text, cure = shown(object_store(HEALTHY, GIB, 1.5 * GIB))
    assert verdict is WARNING and text.endswith("but the feeds may fill 1.5 GiB") and "data.read_ahead_mb" in cure
    assert shown(object_store(HEALTHY, 0, GIB)) == (OK, "/dev/shm has 32.0 GiB", "")


@pytest.mark.parametrize(
    ("soft", "hard", "verdict", "cure"),
    [
        (512, 20_000, PROBLEM, "`ulimit -n 20000` before `ray start`"),
        (1024, -1, WARNING, "`ulimit -n 65536` before `ray start`"),
        (1024, 1024, WARNING, "raise nofile in /etc/security/limits.conf to 65536"),
        (4096, 4096, OK, ""),
        (-1, -1, OK, ""),
    ],
)
def test_open_files(soft: int, hard: int, verdict: Verdict, cure: str) -> None:
    finding = open_files(soft, hard)
    assert (finding.verdict, finding.cure) == (verdict, cure)


def test_a_compile_cache_that_cannot_be_used() -> None:
    unsafe = facts(cache="", cache_fact="/x belongs to another user (uid 5), so it cannot be trusted: delete it")
    assert shown(compile_cache(unsafe)) == (PROBLEM, "/x belongs to another user (uid 5), so it cannot be trusted", "delete it")
    assert compile_cache(facts(cache_free=GIB // 2)).verdict is WARNING


def test_bfloat16_that_would_be_emulated() -> None:
    config = load_config(["--model.precision", "bfloat16"], {})
    found = list(verdicts(facts(bfloat16=False), node(1), config, 1, HEALTHY.versions))
    (problem,) = (finding for finding in found if finding.verdict is PROBLEM)
    assert shown(problem)[2] == "use float32"
    assert all(finding.verdict is OK for finding in verdicts(facts(bfloat16=False), node(1), Config(), 1, HEALTHY.versions))


def test_proxies_that_would_catch_the_cluster() -> None:
    addresses = ["10.0.0.1", "10.0.0.2"]
    assert list(proxies({}, "", addresses)) == []
    (finding,) = proxies({"http_proxy": "http://proxy"}, "10.0.0.1,example.org", addresses)
    assert shown(finding)[::2] == (WARNING, "export no_proxy=10.0.0.1,example.org,10.0.0.2")
    assert "does not name 10.0.0.2: `ray job submit`" in finding.text
    (finding,) = proxies({"http_proxy": "http://proxy"}, "10.0.0.0/8", addresses)
    assert finding.verdict is OK
    (finding,) = proxies({"grpc_proxy": "http://proxy"}, "", addresses)  # Ray and the workers do not use it
    assert finding.verdict is OK


@pytest.mark.parametrize(
    ("host", "no_proxy", "expected"),
    [
        ("10.0.0.1", "", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.11", "10.0.0.1", False),
        ("10.1.2.3", "nonsense/99, 10.0.0.0/8", True),
        ("fd00::1", "10.0.0.0/8,fd00::/8", True),
        ("node.example.org", ".example.org", True),
        ("node.example.org", "example.org", True),
        ("badexample.org", "example.org", False),
        ("10.0.0.1", "*", True),
        ("127.0.0.1", "", True),
        ("localhost", "", True),
    ],
)
def test_no_proxy(host: str, no_proxy: str, expected: bool) -> None:
    assert bypasses(host, no_proxy) is expected


def test_nodes_of_unequal_cores() -> None:
    small = facts(cores=HEALTHY.cores[:2])
    assert list(alike({node(1): HEALTHY, node(2): HEALTHY, node(3, cpus=0): small})) == []  # a head that computes nothing
    (finding,) = alike({node(1): HEALTHY, node(2): small})
    assert finding.verdict is WARNING and finding.nodes == ("10.0.0.2",)
    assert finding.text == "2 cores where other nodes have 4: every step waits for the slowest worker"
