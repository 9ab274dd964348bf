"""Damage that storage and people do to a file, as hypothesis strategies."""

import os
from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FUZZ = settings(
    max_examples=int(os.environ.get("FUZZ_CASES", "100")),  # make soak asks for 1,000
    deadline=5000,  # milliseconds: nothing may hang
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
)

Damage = Callable[[bytes], bytes]
_POSITION = st.floats(0, 1, exclude_max=True)


def one_line(error: Exception) -> None:
    """Fail unless the message is a single line."""
    assert len(str(error).splitlines()) == 1, repr(str(error))


def damages() -> st.SearchStrategy[Damage]:
    """One to three of: a flipped bit, a truncation, bytes deleted, repeated, swapped or overwritten."""
    kinds = st.one_of(_flips(), _truncations(), _deletions(), _repeats(), _swaps(), _overwrites())
    return st.lists(kinds, min_size=1, max_size=3).map(_in_turn)


def _in_turn(steps: list[Damage]) -> Damage:
    def damage(data: bytes) -> bytes:
        for step in steps:
            data = step(data)
        return data

    return damage


def _flips() -> st.SearchStrategy[Damage]:
    def flip(position: float, bit: int) -> Damage:
        def apply(data: bytes) -> bytes:
            at = int(position * len(data))
            return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :] if data else data

        return apply

    return st.builds(flip, _POSITION, st.integers(0, 7))


def _truncations() -> st.SearchStrategy[Damage]:
    return st.builds(lambda position: lambda data: data[: int(position * len(data))], _POSITION)


def _span(data: bytes, position: float, length: int) -> tuple[int, int]:
    start = int(position * len(data))
    return start, min(len(data), start + length)


def _deletions() -> st.SearchStrategy[Damage]:
    def delete(position: float, length: int) -> Damage:
        def apply(data: bytes) -> bytes:
            start, end = _span(data, position, length)
            return data[:start] + data[end:]

        return apply

    return st.builds(delete, _POSITION, st.integers(1, 64))


def _repeats() -> st.SearchStrategy[Damage]:
    def repeat(position: float, length: int) -> Damage:
        def apply(data: bytes) -> bytes:
            start, end = _span(data, position, length)
            return data[:end] + data[start:]

        return apply

    return st.builds(repeat, _POSITION, st.integers(1, 64))


def _swaps() -> st.SearchStrategy[Damage]:
    def swap(one: float, other: float, length: int) -> Damage:
        def apply(data: bytes) -> bytes:
            (a, b), (c, d) = sorted((_span(data, one, length), _span(data, other, length)))
            return data if c < b else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]

        return apply

    return st.builds(swap, _POSITION, _POSITION, st.integers(1, 64))


def _overwrites() -> st.SearchStrategy[Damage]:
    def overwrite(position: float, new: bytes) -> Damage:
        def apply(data: bytes) -> bytes:
            start = int(position * len(data))
            return data[:start] + new + data[start + len(new) :]

        return apply

    return st.builds(overwrite, _POSITION, st.binary(min_size=1, max_size=32) | st.integers(1, 512).map(bytes))
