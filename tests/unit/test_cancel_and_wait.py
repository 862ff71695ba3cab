"""Ending background tasks."""

import asyncio

from parley.core.tasks import cancel_and_wait


async def test_a_task_that_swallows_its_first_cancel_is_cancelled_again():
    cancels = 0

    async def swallow_once() -> None:
        nonlocal cancels
        while cancels < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancels += 1

    task = asyncio.create_task(swallow_once())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await cancel_and_wait(task)
    assert task.done()
    assert cancels == 2


async def test_what_a_task_raises_while_it_ends_stays_with_it():
    async def fail() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ZeroDivisionError

    task, ended = asyncio.create_task(fail()), asyncio.create_task(asyncio.sleep(0))
    await asyncio.sleep(0)
    await cancel_and_wait(task, ended)
    assert isinstance(task.exception(), ZeroDivisionError)
