"""When a batch leaves, in orders of events that a real Redis would not reproduce."""

import asyncio
from collections.abc import Callable
from typing import Any, Self

import pytest

from parley.adapters.redis.client.batches import CommandBatches


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


async def test_command_given_while_all_senders_end_is_sent():
    answered = asyncio.Event()
    batches = CommandBatches(Commands(answered.wait))

    async def ask(*names: str) -> list[str]:
        return [await batches.execute(name) for name in names]

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        asking = []
        for names in (("one", "again"), ("other",)):
            asking.append(group.create_task(ask(*names)))
            # Let the call and the sender begin.
            for _ in range(3):
                await asyncio.sleep(0)
        answered.set()
    assert [task.result() for task in asking] == [["one", "again"], ["other"]]


async def test_unexpected_error_is_raised_to_the_caller():
    async def break_down() -> None:
        raise ZeroDivisionError

    batches = CommandBatches(Commands(break_down))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await batches.execute("any")
