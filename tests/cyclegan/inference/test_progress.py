"""Progress is a line now and then where no bar can be drawn."""

import io
from itertools import count

from rich.console import Console

from cyclegan.inference.progress import meter, track


def test_lines_come_at_intervals_where_there_is_no_terminal() -> None:
    console = Console(file=io.StringIO())
    seconds = count(step=6)
    assert list(track("abcdef", "translating", console, lambda: float(next(seconds)))) == list("abcdef")
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "translating: 2 of 6, 0.2 images/s",
        "translating: 4 of 6, 0.2 images/s",
    ]


def test_terminal_shows_a_bar_and_lines_above_it() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, highlight=False, width=80, _environ={})
    for item in track([1, 2], "translating", console):
        console.print(f"line {item}")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "line 1" in shown
    assert "translating" in shown
    assert "2/2" in shown


def test_a_meter_inside_another_has_its_own_bar() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, highlight=False, width=80, _environ={})
    for _ in track([1], "translating", console):
        with meter(3, "strips", console) as advance:
            advance()
            console.print("a line")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(text in shown for text in ("a line", "translating", "0/1", "strips", "0/3"))
