"""What becomes of ids that cannot be queued: a worker does the work itself, and every failure counts as one outage."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from structlog.testing import capture_logs

from parley.adapters.memory.queue import MemoryQueue
from parley.adapters.redis.broker import QUEUE, AtMostOnceBroker
from parley.adapters.redis.client.connection import RedisClient
from parley.adapters.redis.client.faults import Cause, Fault
from parley.adapters.redis.queue import TaskiqQueue
from parley.adapters.redis.reply_stream.encoding import key_of
from parley.core.chat.model import Chunk
from tests.contracts.chat_fixtures import new_id
from tests.contracts.redis_fixtures import PATIENCE, becomes_true, own_redis, process, redis_client


@asynccontextmanager
async def queue_of(client: RedisClient, url: str, own: MemoryQueue | None = None) -> AsyncGenerator[TaskiqQueue, None]:
    broker = AtMostOnceBroker(url, client)
    await broker.startup()
    yield TaskiqQueue(broker, "write_reply", instead=None if own is None else own.put, seconds=PATIENCE)
    await broker.shutdown()


async def queued(client: RedisClient) -> int:
    found: int = await client.commands.xlen(QUEUE)
    return found


async def test_what_a_full_redis_refuses_is_done_by_the_worker_itself():
    first, second = new_id(), new_id()
    own = MemoryQueue()
    with own_redis() as server:
        async with redis_client(server.url) as client, queue_of(client, server.url, own) as queue:
            await queue.put(new_id())
            assert await queued(client) == 1
            assert own.waiting == 0
            server.ask("CONFIG SET maxmemory 1")
            with capture_logs() as lines:
                await queue.put(first)
                server.ask("CONFIG SET maxmemory 0")
                # The outage lasts until a probe has passed.
                await queue.put(second)
            assert await queued(client) == 1
    assert [await own.take(), await own.take()] == [first, second]
    assert [line["cause"] for line in lines] == [f"Redis {Fault(Cause.FULL, 'OOM')}"]


async def test_without_work_of_its_own_a_process_goes_on_trying():
    with own_redis() as server:
        async with redis_client(server.url) as client, queue_of(client, server.url) as queue:
            server.ask("CONFIG SET maxmemory 1")
            await queue.put(new_id())
            assert client.outage.lasts
            server.ask("CONFIG SET maxmemory 0")
            await queue.put(new_id())
            assert await queued(client) == 1


async def test_a_redis_that_was_emptied_is_no_outage_for_its_listeners():
    with own_redis() as server:
        async with redis_client(server.url) as client, queue_of(client, server.url) as queue:
            broker = AtMostOnceBroker(server.url, client)
            await broker.startup()
            reply_id = new_id()
            listening = asyncio.ensure_future(anext(broker.listen()))
            await asyncio.sleep(0)
            server.flush()
            await queue.put(reply_id)
            async with asyncio.timeout(PATIENCE):
                message = broker.formatter.loads(await listening)
            assert UUID(message.args[0]) == reply_id
            assert not client.outage.lasts
            await broker.shutdown()


async def test_a_listener_tells_of_a_restarted_redis_only_that_it_was_away():
    reply_id = new_id()
    with own_redis() as server:
        async with redis_client(server.url) as client:
            broker = AtMostOnceBroker(server.url, client)
            await broker.startup()
            listening = asyncio.ensure_future(anext(broker.listen()))
            with capture_logs() as lines:
                server.kill()
                await becomes_true(lambda: client.outage.lasts)
                server.start()
                async with redis_client(server.url) as other, queue_of(other, server.url) as queue:
                    await queue.put(reply_id)
                    async with asyncio.timeout(PATIENCE):
                        assert UUID(broker.formatter.loads(await listening).args[0]) == reply_id
            assert {line["cause"].partition(":")[0] for line in lines} == {"Redis does not answer"}
            await broker.shutdown()


async def test_an_error_of_another_kind_is_told_by_its_code_and_without_its_text():
    reply_id = new_id()
    with own_redis() as server:
        async with process(server.url) as made:
            await made.client.commands.set(key_of(reply_id), "no stream")
            with capture_logs() as lines:
                await made.stream.append(reply_id, Chunk(1, 0, "Hello"))
                await becomes_true(lambda: made.client.outage.lasts)
    assert [line["cause"] for line in lines] == ["Redis refuses what parley does (WRONGTYPE)"]
    assert "no stream" not in str(lines)
