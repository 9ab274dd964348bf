"""Filters packets of hosts in network namespaces as network policies say, which network plugins do in a cluster."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from typing import Literal

from tests.hosts import Host, can_make_namespaces
from tests.k8s.policies import Direction, Place, rules
from tests.k8s.rendered import Document


def can_filter() -> bool:
    """Whether hosts have networks of their own, and iptables is installed."""
    return can_make_namespaces() and shutil.which("iptables-restore") is not None


def filter_packets(host: Host, own: Place, others: Sequence[Place], policies: list[Document]) -> None:
    """From now on `host`, which stands for the pod `own`, refuses all connections from and to `others` but those that are allowed.

    Selectors become the addresses of the pods that they select.
    """
    lines = [*_chain("INPUT", "Ingress", own, others, policies), *_chain("OUTPUT", "Egress", own, others, policies)]
    text = "\n".join(["*filter", *lines, "COMMIT", ""])
    subprocess.run([*host.prefix, "iptables-restore", "--noflush"], input=text, text=True, check=True, timeout=30)


def _chain(
    chain: Literal["INPUT", "OUTPUT"], direction: Direction, own: Place, others: Sequence[Place], policies: list[Document]
) -> Iterator[str]:
    found = rules(policies, direction, own)
    if found is None:
        return
    interface, address = ("-i", "-s") if chain == "INPUT" else ("-o", "-d")
    yield f"-A {chain} {interface} lo -j ACCEPT"
    yield f"-A {chain} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
    for rule in found:
        for other in others:
            if rule.means(other):
                for ports in _ports(rule.ports):
                    yield f"-A {chain} {address} {other.address}{ports} -j ACCEPT"
    yield f"-A {chain} -p tcp -j REJECT --reject-with tcp-reset"  # plugins drop: refusing saves the tests their time limits
    yield f"-A {chain} -j REJECT"


def _ports(ports: list[tuple[int, str]] | None) -> list[str]:
    return [""] if ports is None else [f" -p {protocol.lower()} --dport {port}" for port, protocol in ports]
