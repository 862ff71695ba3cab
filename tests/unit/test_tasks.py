"""Ending asyncio tasks: what must finish finishes, and what is cancelled ends."""

import asyncio

import pytest

from parley.core.tasks import cancel_and_wait, finish

PATIENCE = 30.0


class Step:
    """A coroutine that waits until the test opens it."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.opened = asyncio.Event()
        self.ended = False

    async def run(self) -> str:
        self.begun.set()
        await self.opened.wait()
        self.ended = True
        return "result"


async def begin(step: Step) -> asyncio.Task[str]:
    task = asyncio.create_task(finish(step.run()))
    await step.begun.wait()
    return task


async def until_idle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_finish_returns_the_result():
    step = Step()
    step.opened.set()

    assert await finish(step.run()) == "result"


async def test_finish_raises_what_the_step_raises():
    async def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await finish(fail())


@pytest.mark.parametrize("times", [1, 3])
async def test_cancelled_finish_waits_for_the_step_and_is_cancelled(times):
    step = Step()
    task = await begin(step)
    for _ in range(times):
        task.cancel()
        await until_idle()
    assert not task.done()
    step.opened.set()
    await asyncio.wait([task], timeout=PATIENCE)

    assert task.cancelled()
    assert step.ended


async def test_cancel_waits_until_all_tasks_have_ended():
    ended = []

    async def clean_up(seconds: float) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(seconds)
            ended.append(seconds)

    tasks = [asyncio.create_task(clean_up(seconds)) for seconds in (0.0, 0.02)]
    await until_idle()
    await cancel_and_wait(*tasks)

    assert ended == [0.0, 0.02]
    assert all(task.cancelled() for task in tasks)


async def test_cancel_leaves_exceptions_in_the_tasks():
    async def fail() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError

    task = asyncio.create_task(fail())
    await until_idle()
    await cancel_and_wait(task)

    assert isinstance(task.exception(), LookupError)


async def test_swallowed_cancellation_is_sent_again():
    swallowed = 0

    async def swallow_one() -> None:
        nonlocal swallowed
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(swallow_one())
    await until_idle()
    async with asyncio.timeout(PATIENCE):
        await cancel_and_wait(task)

    assert swallowed == 1
    assert task.cancelled()


async def test_cancel_waits_though_it_is_cancelled_itself():
    step = Step()
    finishing = await begin(step)
    cancelling = asyncio.create_task(cancel_and_wait(finishing))
    await until_idle()
    cancelling.cancel()
    await until_idle()
    assert not cancelling.done()
    step.opened.set()
    await asyncio.wait([cancelling], timeout=PATIENCE)

    assert cancelling.cancelled()
    assert finishing.cancelled()
