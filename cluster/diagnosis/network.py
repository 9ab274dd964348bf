"""The links between the nodes of a cluster, measured around a ring, as gradients travel."""

import contextlib
import secrets
from collections.abc import Iterator
from typing import TypeVar

import ray

from cluster.calibration.scale_out import exchanged_bytes
from cluster.config import Config
from cluster.diagnosis.finding import Finding
from cluster.diagnosis.link_probe import LinkProbe, Pinged, Sent
from cluster.diagnosis.network_verdicts import Edge, clocks, links
from cluster.diagnosis.nodes import Budget, NoAnswer, Node, Nodes, answered, collect, pinned, unanswered
from cyclegan.config import ImageFormat

Answer = TypeVar("Answer")
START_SECONDS = 20.0  # for the processes at both ends
PING_SECONDS = 10.0
SEND_BYTES, SEND_SECONDS = 256 * 2**20, 2.0  # on each link
SENT_SECONDS = 10.0


def network(config: Config, images: ImageFormat, nodes: Nodes, budget: Budget) -> Iterator[Finding]:
    """All findings on the network; none with a single node. All nodes measure at once, as in a ring all links are busy at once."""
    if len(nodes.nodes) < 2:
        return
    secret, probe = secrets.token_bytes(16), ray.remote(num_cpus=0)(LinkProbe)
    probes = {node: probe.options(**pinned(node)).remote(secret) for node in nodes.nodes}
    try:
        listening = collect({node: end.listen.remote(node.address) for node, end in probes.items()}, budget.at_most(START_SECONDS))
        yield from unanswered("network", listening, "see whether the node is overloaded, and Ray's logs there")
        ports: dict[Node, int] = answered(listening)
        edges = ring(list(ports))
        pings = collect({a: probes[a].ping.remote(b.address, ports[b]) for a, b in edges}, budget.at_most(PING_SECONDS))
        pinged: dict[Edge, Pinged] = {(a, b): _or_failed(pings[a], Pinged(0.0, 0.0, "no answer")) for a, b in edges}
        reached = [edge for edge in edges if not pinged[edge].fact]
        sending = {a: probes[a].send.remote(b.address, ports[b], SEND_BYTES, SEND_SECONDS) for a, b in reached}
        sends = collect(sending, budget.at_most(SENT_SECONDS))
        sent: dict[Edge, Sent] = {(a, b): _or_failed(sends[a], Sent(0, 0.0, "no answer")) for a, b in reached}
    finally:
        for end in probes.values():
            with contextlib.suppress(Exception):
                ray.kill(end)
    yield from links(pinged, sent, exchanged_bytes(config, images), len(nodes.nodes))
    if ports:
        yield from clocks(pinged, next(iter(ports)), config.run.storage)


def ring(nodes: list[Node]) -> list[Edge]:
    """Each node and the next one, the last one and the first; none for a single node."""
    return [(node, nodes[(i + 1) % len(nodes)]) for i, node in enumerate(nodes)] if len(nodes) > 1 else []


def _or_failed(answer: Answer | NoAnswer, failed: Answer) -> Answer:
    return failed if isinstance(answer, NoAnswer) else answer
