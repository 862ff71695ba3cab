"""Ending tasks that run in the background."""

import asyncio


async def cancel_and_wait(*tasks: asyncio.Task[object]) -> None:
    """Cancel the tasks and return when all have ended. What they raised stays with them.

    The cancel is sent again every 0.1 s, since before Python 3.12 asyncio.wait_for swallows one that comes in the same
    moment as the result it waits for.
    """
    while running := {task for task in tasks if not task.done()}:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=0.1)
    await asyncio.gather(*tasks, return_exceptions=True)
