"""Readers that miss the same cached page at the same time."""

import asyncio

import pytest

from parley.core.chat.ports import CachedPage, CacheMiss
from parley.core.chat.shared_reads import SharedReads
from tests.unit.chat.environment import ChatEnvironment

PAGE = CachedPage(b"rooms", '"tag"')


class Database:
    """Answers once its gate is open, and counts the reads."""

    def __init__(self) -> None:
        self.reads = 0
        self.gate = asyncio.Event()
        self.failure: Exception | None = None

    async def read(self) -> CachedPage:
        self.reads += 1
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return PAGE


@pytest.fixture
async def database() -> Database:
    return Database()


def readers(
    env: ChatEnvironment, reads: SharedReads, database: Database, *generations: str
) -> list[asyncio.Task[CachedPage]]:
    return [
        asyncio.create_task(reads.page(env.account_id, 50, CacheMiss(generation), database.read))
        for generation in generations
    ]


async def test_concurrent_readers_share_one_read(env: ChatEnvironment, database: Database) -> None:
    reads = SharedReads()
    waiting = readers(env, reads, database, *["1"] * 20)
    await asyncio.sleep(0)
    database.gate.set()
    assert await asyncio.gather(*waiting) == [PAGE] * 20
    assert database.reads == 1


async def test_readers_of_different_generations_do_not_share(env: ChatEnvironment, database: Database) -> None:
    waiting = readers(env, SharedReads(), database, "1", "2")
    await asyncio.sleep(0)
    database.gate.set()
    await asyncio.gather(*waiting)
    assert database.reads == 2


async def test_readers_without_a_generation_do_not_share(env: ChatEnvironment, database: Database) -> None:
    waiting = readers(env, SharedReads(), database, "", "")
    await asyncio.sleep(0)
    database.gate.set()
    await asyncio.gather(*waiting)
    assert database.reads == 2


async def test_cancelled_reader_does_not_cancel_the_read(env: ChatEnvironment, database: Database) -> None:
    first, second = readers(env, SharedReads(), database, "1", "1")
    await asyncio.sleep(0)
    first.cancel()
    database.gate.set()
    assert await second == PAGE
    assert first.cancelled()


async def test_failure_is_raised_to_all_and_the_next_reader_reads_again(
    env: ChatEnvironment, database: Database
) -> None:
    reads = SharedReads()
    database.failure = RuntimeError("away")
    database.gate.set()
    for waiting in readers(env, reads, database, "1", "1"):
        with pytest.raises(RuntimeError, match="away"):
            await waiting
    database.failure = None
    assert await reads.page(env.account_id, 50, CacheMiss("1"), database.read) == PAGE
    assert database.reads == 2
