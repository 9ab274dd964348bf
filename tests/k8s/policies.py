"""Network policies as Kubernetes defines them: whom each rule means."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from tests.k8s.rendered import Document

Direction = Literal["Ingress", "Egress"]
HERE, OPERATORS, MONITORING = "training", "kuberay-system", "monitoring"
"""Namespaces: of the policies and the pods that they select, of KubeRay's operator, of Prometheus."""


@dataclass(frozen=True)
class Place:
    """A pod, or an address outside, if it has no namespace."""

    namespace: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    address: str = "10.1.2.3"


@dataclass(frozen=True)
class Rule:
    """One rule that holds for a pod. ports: (port, protocol); None: all."""

    peers: list[Document]
    ports: list[tuple[int, str]] | None

    def means(self, other: Place) -> bool:
        """Whether `other` is one of its peers."""
        return any(_is_peer(peer, other) for peer in self.peers)


def rules(policies: list[Document], direction: Direction, own: Place) -> list[Rule] | None:
    """What holds for `own` in this direction; None if no policy selects it, so that all is allowed."""
    chosen = [
        policy["spec"]
        for policy in policies
        if own.namespace == HERE and direction in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], own.labels)
    ]
    return [rule for spec in chosen for rule in _rules(spec, direction)] if chosen else None


def _rules(spec: Document, direction: Direction) -> Iterator[Rule]:
    key, peers = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    for rule in spec.get(key, []):
        yield Rule(rule[peers], [(entry["port"], entry["protocol"]) for entry in rule["ports"]] if "ports" in rule else None)


def allows(policies: list[Document], direction: Direction, own: Place, other: Place, port: int, protocol: str) -> bool:
    """Whether the policies of `own`'s namespace allow Ingress from, or Egress to, `other`."""
    found = rules(policies, direction, own)
    return found is None or any(rule.means(other) and (rule.ports is None or (port, protocol) in rule.ports) for rule in found)


def selects(selector: Document, labels: dict[str, str]) -> bool:
    """Whether a label selector selects."""
    assert selector.keys() <= {"matchLabels", "matchExpressions"}
    for expression in selector.get("matchExpressions", []):
        inside = labels.get(expression["key"]) in expression["values"]
        assert expression["operator"] in ("In", "NotIn")
        if inside != (expression["operator"] == "In"):
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


def _is_peer(peer: Document, place: Place) -> bool:
    if "ipBlock" in peer:
        block, address = peer["ipBlock"], ipaddress.ip_address(place.address)
        inside = address in ipaddress.ip_network(block["cidr"])
        # An address block means what is outside: of pods, network plugins know the labels.
        return not place.namespace and inside and not any(address in ipaddress.ip_network(part) for part in block.get("except", []))
    if not place.namespace:
        return False
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": place.namespace}):
            return False
    elif place.namespace != HERE:
        return False
    return selects(peer.get("podSelector", {}), place.labels)
