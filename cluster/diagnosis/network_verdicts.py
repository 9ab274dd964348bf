"""Verdicts on the links between nodes. Pure functions."""

from collections.abc import Mapping

from cluster.calibration.scale_out import ExchangeCost, Fleet, ring_seconds
from cluster.diagnosis.finding import Figure, Finding, Verdict
from cluster.diagnosis.link_probe import Pinged, Sent
from cluster.diagnosis.nodes import Node
from ringcycle.storage.location import is_remote

Edge = tuple[Node, Node]
"""From the node that asks or sends to the one that answers."""
SLOW_RATE = 125e6  # bytes per second: gigabit Ethernet's
LONG_EXCHANGE = 0.25  # seconds of a step, below which a slow link does not matter
SLOW_MS = 5.0  # round trip: a local network takes less than 1
SKEW_SECONDS, REFUSED_SKEW_SECONDS = 1.0, 900.0  # logs and event files get out of order; S3 refuses requests


def exchange_seconds(size: int, nodes: int, rate: float) -> float:
    """Seconds in which a ring of so many nodes sums `size` bytes over links of `rate` bytes per second, at best."""
    return ring_seconds(ExchangeCost(0.0, 0.0), Fleet(nodes, 1, rate), size)


def links(pinged: Mapping[Edge, Pinged], sent: Mapping[Edge, Sent], size: int, nodes: int) -> list[Finding]:
    """How fast each node reaches its neighbour. size: bytes exchanged in a step by all `nodes`."""
    findings = []
    for (node, other), ping in pinged.items():
        data = sent.get((node, other))
        failed = ping.fact or (data.fact if data else "not measured")
        if failed:
            fact = f"cannot reach {other.address} ({failed})"
            finding = Finding("network", Verdict.PROBLEM, fact, "open all TCP ports between the nodes: Ray and TensorFlow choose free ones")
        else:
            assert data is not None
            rate = data.bytes / max(data.seconds, 1e-9)
            exchange = exchange_seconds(size, nodes, rate)
            figures = {
                "rate": Figure.of(rate, "bytes/s"),
                "round_trip": Figure.of(1000 * ping.round_trip, "ms"),
                "size": Figure.of(size, "bytes"),
                "exchange": Figure.of(exchange, "s"),
            }
            fact = "{rate} to the next node, round trip {round_trip}; a step's {size} of gradients take {exchange} or more"
            slow = 1000 * ping.round_trip > SLOW_MS or (rate < SLOW_RATE and exchange > LONG_EXCHANGE)
            cure = "use a faster network (`ray start --node-ip-address`), cluster.allreduce_dtype = bfloat16, or a larger train.batch"
            finding = Finding("network", Verdict.WARNING if slow else Verdict.OK, fact, cure if slow else "", figures)
        findings.append(finding.on(node.name))
    return findings


def clocks(pinged: Mapping[Edge, Pinged], first: Node, storage: str) -> list[Finding]:
    """How far the nodes' clocks are from the first one's."""
    ahead = clock_offsets(pinged, first)
    others = {node: offset for node, offset in ahead.items() if node != first}
    off = {node: offset for node, offset in others.items() if abs(offset) >= SKEW_SECONDS}
    findings = []
    for node, offset in off.items():
        refused = abs(offset) >= REFUSED_SKEW_SECONDS and is_remote(storage)
        way = "ahead of" if offset > 0 else "behind"
        why = "the object store would refuse its requests" if refused else "lines of logs and event files get out of order"
        fact, figures = f"the clock is {{offset}} {way} that of {first.name}: {why}", {"offset": Figure.of(abs(offset), "s")}
        verdict = Verdict.PROBLEM if refused else Verdict.WARNING
        findings.append(Finding("clocks", verdict, fact, "run chrony or systemd-timesyncd there", figures).on(node.name))
    if others and not off:
        figures = {"offset": Figure.of(1000 * max(map(abs, others.values())), "ms")}
        findings.append(Finding("clocks", Verdict.OK, f"within {{offset}} of {first.name}", figures=figures))
    return findings


def clock_offsets(pinged: Mapping[Edge, Pinged], first: Node) -> dict[Node, float]:
    """Seconds by which each node's clock is ahead of the first one's, summed along the links; nodes without a path to it are left out."""
    steps: dict[Node, list[tuple[Node, float]]] = {}
    for (node, other), ping in pinged.items():
        if not ping.fact:
            steps.setdefault(node, []).append((other, ping.ahead))
            steps.setdefault(other, []).append((node, -ping.ahead))
    found, queue = {first: 0.0}, [first]
    for node in queue:
        for other, ahead in steps.get(node, []):
            if other not in found:
                found[other] = found[node] + ahead
                queue.append(other)
    return found
