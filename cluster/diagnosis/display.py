"""Findings on a terminal, as they come."""

import sys
import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from cluster.diagnosis.finding import Finding, Verdict
from ringcycle.output import printable

STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.PROBLEM: "bold red"}
COLUMNS = (9, 15)  # widths of verdict and check
NO_WRAP = 10_000


class Display:
    """Prints lines on standard output, or nothing if `silent`, and on a terminal what is going on."""

    def __init__(self, silent: bool) -> None:
        self._console = Console(file=sys.stdout, highlight=False, soft_wrap=True, quiet=silent)
        self._status = self._console.status("") if self._console.is_terminal and not silent else None

    def phase(self, text: str) -> None:
        """Show what is going on, until the next phase."""
        if self._status:
            self._status.update(text)
            self._status.start()

    def show(self, findings: Sequence[Finding], nodes: int) -> None:
        """Print findings of a cluster of so many nodes."""
        width = self._console.width if self._console.is_terminal else NO_WRAP
        for finding in findings:
            for number, line in enumerate(lines(finding, nodes, width)):
                style = STYLES[finding.verdict] if number == 0 else ""
                self._console.print(Text.assemble((line[: COLUMNS[0]], style), line[COLUMNS[0] :]))
        self._console.file.flush()

    def line(self, text: str) -> None:
        """Print a line."""
        self._console.print(printable(text), markup=False)

    def close(self) -> None:
        """Remove the phase."""
        if self._status:
            self._status.stop()


def lines(finding: Finding, nodes: int, width: int) -> Iterator[str]:
    """A finding as text of at most `width` columns: verdict, check and fact, and the cure beneath."""
    verdict, check = COLUMNS
    indent = verdict + check
    texts = [finding.line(nodes), *([f"→ {finding.cure}"] if finding.cure else [])]
    head = f"{finding.verdict:<{verdict}}{finding.check:<{check}}"
    for number, text in enumerate(texts):
        for part in textwrap.wrap(printable(text), max(20, width - indent), break_long_words=False, break_on_hyphens=False):
            yield (head if number == 0 else " " * indent) + part
            head = " " * indent


def summary(findings: Sequence[Finding]) -> str:
    """How many problems and warnings there are."""
    counts = {verdict: sum(finding.verdict is verdict for finding in findings) for verdict in Verdict}
    problems, warnings = counts[Verdict.PROBLEM], counts[Verdict.WARNING]
    if not problems and not warnings:
        return "all is well"
    return f"{_counted(problems, 'problem')}, {_counted(warnings, 'warning')}"


def _counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'s' * (number != 1)}"
