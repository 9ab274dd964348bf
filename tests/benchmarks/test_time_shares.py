import pytest

from benchmarks.span import Span
from benchmarks.time_shares import time_shares


def test_what_runs_at_the_same_time_shares_it() -> None:
    shares = time_shares([Span(0, 4, "a"), Span(1, 3, "b"), Span(2, 3, "b"), Span(10, 11, "c")])
    assert shares == pytest.approx({"a": 2 + 1 / 2 + 1 / 3, "b": 1 / 2 + 2 / 3, "c": 1})
    assert sum(shares.values()) == pytest.approx(4 + 1), "the time when any ran"


def test_spans_that_touch_do_not_overlap() -> None:
    assert time_shares([Span(0, 1, "a"), Span(1, 2, "b"), Span(1, 1, "c")]) == pytest.approx({"a": 1, "b": 1})


def test_without_spans_there_is_nothing_to_share() -> None:
    assert time_shares([]) == {}
