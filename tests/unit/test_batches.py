"""When a batch leaves, in turns of the loop that a real Redis would not repeat."""

import asyncio
from collections.abc import Callable
from typing import Any, Self

import pytest

from parley.adapters.redis.client.batches import Batches


class Pipeline:
    """Answers every command with its own name, once `answering` is over."""

    def __init__(self, answering: Callable[[], Any]) -> None:
        self._answering = answering
        self._names: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def execute_command(self, name: str) -> None:
        self._names.append(name)

    async def execute(self, *, raise_on_error: bool) -> list[str]:
        assert not raise_on_error
        await self._answering()
        return self._names


class Commands:
    def __init__(self, answering: Callable[[], Any]) -> None:
        self._answering = answering

    def pipeline(self, *, transaction: bool) -> Pipeline:
        assert not transaction
        return Pipeline(self._answering)


async def test_who_asks_again_when_all_trips_end_at_once_is_served():
    answered = asyncio.Event()
    batches = Batches(Commands(answered.wait))

    async def ask(*names: str) -> list[str]:
        return [await batches.execute(name) for name in names]

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        asking = []
        for names in (("one", "again"), ("other",)):
            asking.append(group.create_task(ask(*names)))
            # One turn of the loop to ask, one for the trip to begin.
            for _ in range(3):
                await asyncio.sleep(0)
        answered.set()
    assert [task.result() for task in asking] == [["one", "again"], ["other"]]


async def test_what_nobody_foresaw_is_raised_where_it_was_asked():
    async def break_down() -> None:
        raise ZeroDivisionError

    batches = Batches(Commands(break_down))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await batches.execute("any")
