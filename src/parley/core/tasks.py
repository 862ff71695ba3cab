"""Ending asyncio tasks without cutting off what they still have to do."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")

# Longer than cleaning up usually takes, as a second cancellation would interrupt that.
CANCEL_AGAIN_SECONDS = 0.5


async def finish(step: Coroutine[Any, Any, Result]) -> Result:
    """Run `step` to its end even if the caller is cancelled, however often; the cancellation is raised afterwards.

    For database transactions: one that is cut off costs its connection.
    """
    task = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        raise


async def cancel_and_wait(*tasks: asyncio.Task[Any]) -> None:
    """Cancel the tasks and return once all have ended, also if the caller is cancelled meanwhile.

    What the tasks raise stays with them.
    """
    await finish(_cancel_until_done(tasks))


async def _cancel_until_done(tasks: tuple[asyncio.Task[Any], ...]) -> None:
    while running := {task for task in tasks if not task.done()}:
        for task in running:
            task.cancel()
        # Before Python 3.12 asyncio.wait_for swallows a cancellation that arrives as its awaitable completes.
        await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)
