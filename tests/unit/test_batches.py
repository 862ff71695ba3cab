"""When a batch leaves, in orders of events that a real Redis would not reproduce."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from parley.adapters.redis.client.batches import CommandBatches
from parley.adapters.redis.client.trips import Command


def trips(answering: Callable[[], Awaitable[object]]) -> Callable[[Sequence[Command]], Awaitable[list[Any]]]:
    """Every command is answered with its own name, once `answering` is over."""

    async def make(commands: Sequence[Command]) -> list[Any]:
        await answering()
        return [name for (name,) in commands]

    return make


async def test_command_given_while_all_senders_end_is_sent():
    answered = asyncio.Event()
    batches = CommandBatches(trips(answered.wait))

    async def ask(*names: str) -> list[str]:
        return [await batches.execute(name) for name in names]

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
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

    batches = CommandBatches(trips(break_down))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await batches.execute("any")
