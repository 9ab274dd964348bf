"""Tables as lines of text."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ringcycle.output import printable

WIDTH = 1000  # wide enough that no line is ever wrapped


def table_lines(headings: Sequence[str], records: Iterable[Sequence[str]], numbers: int) -> list[str]:
    """The headings, then a line for each record, with control characters escaped. The first `numbers` columns are aligned to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i < numbers else "left", no_wrap=True)
    for record in records:
        table.add_row(*(Text(printable(cell)) for cell in record))
    console = Console(width=WIDTH, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]
