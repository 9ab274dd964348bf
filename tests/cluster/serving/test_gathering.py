"""Items that come while the function is busy are its next call."""

import asyncio
from collections.abc import Sequence

import pytest

from cluster.serving.gathering import Gathering


def test_what_comes_meanwhile_goes_together() -> None:
    calls: list[list[int]] = []

    async def squares(items: Sequence[int]) -> list[int]:
        calls.append(list(items))
        await asyncio.sleep(0.02)
        return [item * item for item in items]

    async def main() -> list[int]:
        gathering = Gathering(squares, most=4)
        first = asyncio.create_task(gathering(0))
        await asyncio.sleep(0.01)
        later = [asyncio.create_task(gathering(i)) for i in range(1, 7)]
        results = [await first, *(await asyncio.gather(*later))]
        return [*results, await gathering(9)]

    assert asyncio.run(main()) == [0, 1, 4, 9, 16, 25, 36, 81]
    assert calls == [[0], [1, 2, 3, 4], [5, 6], [9]]


def test_a_failure_reaches_those_it_concerns_and_the_next_are_served() -> None:
    async def run(items: Sequence[int]) -> list[int]:
        if 3 in items:
            raise ValueError("three")
        return list(items)

    async def main() -> None:
        gathering = Gathering(run, most=10)
        assert [type(result) for result in await asyncio.gather(gathering(3), gathering(4), return_exceptions=True)] == [ValueError] * 2
        assert await gathering(5) == 5

    asyncio.run(main())


def test_one_that_no_longer_waits_is_left_out() -> None:
    calls: list[list[int]] = []
    go = asyncio.Event()

    async def run(items: Sequence[int]) -> list[int]:
        calls.append(list(items))
        await go.wait()
        return list(items)

    async def main() -> None:
        gathering = Gathering(run, most=10)
        tasks = [asyncio.create_task(gathering(i)) for i in range(1)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(gathering(i)) for i in range(1, 4)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[2].cancel()
        go.set()
        for number in (0, 2):
            with pytest.raises(asyncio.CancelledError):
                await tasks[number]
        assert [await tasks[1], await tasks[3]] == [1, 3]

    asyncio.run(main())
    assert calls == [[0], [1, 3]]
