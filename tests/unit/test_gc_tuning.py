"""When garbage in cycles is collected that has become old."""

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from parley.runtime.gc_tuning import CHECK_SECONDS, FEW_TASKS, LONGEST_SECONDS, full_collections


class Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def no_other_collection():
    """No automatic one, and what other tests left is not visited."""
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def old_garbage() -> "weakref.ref[Cycle]":
    cycle = Cycle()
    garbage = weakref.ref(cycle)
    for generation in (0, 1):
        gc.collect(generation)
    del cycle
    gc.collect(1)
    assert garbage() is not None
    return garbage


class Clock:
    """Lets `full_collections` look when `pass_` is called."""

    def __init__(self) -> None:
        self._ticks: asyncio.Queue[float] = asyncio.Queue()
        self._asked = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self._asked.set()
        assert await self._ticks.get() == seconds

    async def pass_(self, seconds: float) -> None:
        for _ in range(round(seconds / CHECK_SECONDS)):
            await self._asked.wait()
            self._asked.clear()
            self._ticks.put_nowait(CHECK_SECONDS)
        await self._asked.wait()


@asynccontextmanager
async def open_tasks(count: int) -> AsyncGenerator[None, None]:
    end = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(end.wait())
        yield
        end.set()


async def test_old_garbage_is_collected_while_few_tasks_are_open():
    clock = Clock()
    async with full_collections(clock.sleep):
        garbage = old_garbage()
        await clock.pass_(CHECK_SECONDS)
        assert garbage() is None


async def test_streams_do_not_wait_for_it_more_often_than_necessary():
    clock = Clock()
    async with open_tasks(FEW_TASKS + 1), full_collections(clock.sleep):
        garbage = old_garbage()
        await clock.pass_(LONGEST_SECONDS - CHECK_SECONDS)
        assert garbage() is not None
        await clock.pass_(CHECK_SECONDS)
        assert garbage() is None


async def test_nothing_is_visited_again_where_nothing_became_old():
    clock, collected = Clock(), 0

    def count(phase: str, _: object) -> None:
        nonlocal collected
        collected += phase == "start"

    async with full_collections(clock.sleep):
        old_garbage()
        await clock.pass_(CHECK_SECONDS)
        gc.callbacks.append(count)
        await clock.pass_(10 * CHECK_SECONDS)
        gc.callbacks.remove(count)
    assert collected == 0
