"""What a check found out: a verdict, a fact with figures and a cure; equal findings of several nodes become one line."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

Unit = Literal["count", "bytes", "bytes/s", "s", "ms"]
MOST_NAMES = 3  # of nodes listed in a line
_FIGURE = re.compile(r"\{(\w+)\}")


class Verdict(StrEnum):
    """OK; WARNING: a training works, but slower or less safely than it could; PROBLEM: it would fail."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Figure:
    """What was measured: a value, or the range of several nodes' values, in `unit`."""

    low: float
    unit: Unit
    high: float

    @classmethod
    def of(cls, value: float, unit: Unit = "count") -> "Figure":
        """A single value."""
        return cls(value, unit, value)

    def __str__(self) -> str:
        low, high = _shown(self.low, self.unit), _shown(self.high, self.unit)
        return low if low == high else f"{low} to {high}"


@dataclass(frozen=True)
class Finding:
    """One result of a check. fact: a text with `{name}` for each of `figures`. nodes: names of those it is about; none: all together."""

    check: str
    verdict: Verdict
    fact: str
    cure: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()

    @classmethod
    def of_message(cls, check: str, message: object) -> "Finding":
        """A problem from the message of a `UserError`, whose last part is the cure."""
        fact, mark, cure = str(message).rpartition(": ")
        return cls(check, Verdict.PROBLEM, fact if mark else cure, cure if mark else "")

    @property
    def text(self) -> str:
        """The fact with its figures. Braces that are part of a user's value stay as they are."""
        return _FIGURE.sub(lambda found: str(self.figures.get(found[1], found[0])), self.fact)

    def on(self, node: str) -> "Finding":
        """The same finding as that of a node."""
        return replace(self, nodes=(node,))

    def line(self, nodes: int) -> str:
        """The fact, preceded by the nodes it is about, if there are several `nodes` in all."""
        if nodes < 2 or not self.nodes:
            return self.text
        if len(self.nodes) == nodes:
            return f"{nodes} nodes: {self.text}"
        named = ", ".join(self.nodes[:MOST_NAMES])
        if len(self.nodes) <= MOST_NAMES:
            return f"{named}: {self.text}"
        return f"{len(self.nodes)} nodes ({named} and {len(self.nodes) - MOST_NAMES} more): {self.text}"

    def as_json(self) -> dict[str, Any]:
        """For `--json`. Figures are unrounded; low and high are equal unless nodes differ."""
        figures = {name: {"low": figure.low, "high": figure.high, "unit": figure.unit} for name, figure in self.figures.items()}
        own = {"check": self.check, "verdict": str(self.verdict), "fact": self.text, "cure": self.cure}
        return {**own, "nodes": list(self.nodes), "figures": figures}


def grouped(findings: Iterable[Finding]) -> list[Finding]:
    """Findings that differ only in nodes and figures as one, with the range of each figure; the larger groups of a check first."""
    groups: dict[tuple[str, Verdict, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.check, finding.verdict, finding.fact, finding.cure), []).append(finding)
    checks = list(dict.fromkeys(key[0] for key in groups))
    ordered = sorted(groups.values(), key=lambda members: (checks.index(members[0].check), -len(members)))
    return [_merged(members) for members in ordered]


def worst(findings: Iterable[Finding]) -> Verdict:
    """The gravest verdict."""
    order = list(Verdict)
    return max((finding.verdict for finding in findings), key=order.index, default=Verdict.OK)


def _merged(members: Sequence[Finding]) -> Finding:
    figures = {}
    for name, first in members[0].figures.items():
        values = [member.figures[name] for member in members]
        figures[name] = Figure(min(value.low for value in values), first.unit, max(value.high for value in values))
    return replace(members[0], figures=figures, nodes=tuple(node for member in members for node in member.nodes))


def _shown(value: float, unit: Unit) -> str:
    if unit == "bytes":
        return f"{value / 2**30:.1f} GiB" if value >= 2**30 else f"{value / 2**20:.0f} MiB"
    if unit == "bytes/s":
        return f"{value / 1e6:,.0f} MB/s" if value >= 10e6 else f"{value / 1e6:.1f} MB/s"
    if unit == "count":
        return f"{value:,g}" if value % 1 else f"{value:,.0f}"
    return f"{max(value, 0.01):.2f} {unit}" if value < 10 else f"{value:,.0f} {unit}"
