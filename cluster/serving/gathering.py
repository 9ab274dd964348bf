"""Work that is done one call at a time, each with all that has come meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Gathering(Generic[T, R]):
    """Items from many tasks, given to one function in lists, in order: nothing waits but while the function is busy.

    For one event loop. An item whose task was cancelled before its turn is left out.
    """

    def __init__(self, run: Callable[[Sequence[T]], Awaitable[Sequence[R]]], most: int) -> None:
        """run: gives the results of up to `most` items. What it raises, each of them raises."""
        self._run, self._most = run, most
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._runner: asyncio.Task[None] | None = None

    async def __call__(self, item: T) -> R:
        """The result of one item."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._runner is None:
            self._runner = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            taken = [(item, future) for item, future in self._waiting if not future.done()]
            taken, self._waiting = taken[: self._most], taken[self._most :]
            if taken:
                await self._answer(taken)
        self._runner = None

    async def _answer(self, taken: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._run([item for item, _ in taken])
        except Exception as error:
            for _, future in taken:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(taken, results, strict=True):
            if not future.done():
                future.set_result(result)
