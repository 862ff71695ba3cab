"""A real `taskiq worker` with its own options, while its Redis is emptied, killed and restarted."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from parley.adapters.redis.broker import MAX_WAITING, QUEUE, AtMostOnceBroker
from parley.adapters.redis.client.connection import RedisClient
from parley.adapters.redis.client.probe import find_fault
from parley.adapters.redis.queue import PUT_SECONDS, TaskiqQueue
from tests.contracts.chat_fixtures import new_id
from tests.contracts.redis_fixtures import PATIENCE, becomes_true, own_redis, redis_client
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy


@asynccontextmanager
async def worker(url: str, *options: str) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    command = [sys.executable, "-m", "taskiq", "worker", "tests.servers.counting_worker:broker", *options]
    process = await asyncio.create_subprocess_exec(
        *command, env=os.environ | {"REDIS_URL": url}, cwd=Path(__file__).parents[2], start_new_session=True
    )
    try:
        yield process
    finally:
        # The session contains its children.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


@asynccontextmanager
async def queue_to(url: str, *, seconds: float = PATIENCE) -> AsyncGenerator[TaskiqQueue, None]:
    async with redis_client(url) as client:
        broker = AtMostOnceBroker(url, client)
        await broker.startup()
        yield TaskiqQueue(broker, "write_reply", seconds=seconds)
        await broker.shutdown()


@dataclass
class Tasks:
    """Queues replies and finds the process that wrote them."""

    queue: TaskiqQueue
    client: RedisClient

    async def redis_works(self) -> bool:
        return await find_fault(self.client, within=PATIENCE) is None

    async def ran(self, reply_id: UUID) -> int | None:
        """The id of the process in which the reply's task ran; None if it has not."""
        pid = await self.client.commands.hget("ran", str(reply_id))
        return int(pid) if pid else None

    async def pids(self, count: int = 5) -> set[int]:
        """The processes in which `count` new tasks ran."""
        reply_ids = [new_id() for _ in range(count)]
        for reply_id in reply_ids:
            await self.queue.put(reply_id)
        return {await self._pid(reply_id) for reply_id in reply_ids}

    async def _pid(self, reply_id: UUID) -> int:
        async def ran() -> bool:
            return await self.ran(reply_id) is not None

        await becomes_true(ran)
        pid = await self.ran(reply_id)
        assert pid is not None
        return pid


@asynccontextmanager
async def tasks_of(server: RedisServer) -> AsyncGenerator[Tasks, None]:
    async with queue_to(server.url) as queue, redis_client(server.url) as client:
        yield Tasks(queue, client)


async def test_worker_survives_an_emptied_and_a_killed_redis():
    with own_redis() as server:
        async with worker(server.url, "--workers", "1") as process, tasks_of(server) as tasks:
            pids = await tasks.pids()
            assert len(pids) == 1

            server.flush()
            assert await tasks.pids() == pids

            server.kill()
            server.start()
            # Let the test's own connections notice the restart first.
            await becomes_true(tasks.redis_works)
            assert await tasks.pids() == pids
            assert process.returncode is None


async def test_worker_may_be_started_before_redis():
    with own_redis() as server:
        server.kill()
        async with worker(server.url, "--workers", "1"), tasks_of(server) as tasks:
            server.start()
            await becomes_true(tasks.redis_works)
            assert len(await tasks.pids()) == 1


async def test_taskiqs_own_options_work_and_sigterm_ends_the_worker():
    options = ("--workers", "2", "--max-async-tasks", "10", "--ack-type", "when_received", "--wait-tasks-timeout", "5")
    with own_redis() as server:
        async with tasks_of(server) as tasks, worker(server.url, *options) as process:
            await tasks.pids(20)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE):
                assert await process.wait() == 0


async def test_id_queued_before_the_worker_started_is_delivered():
    with own_redis() as server:
        async with tasks_of(server) as tasks:
            reply_id = new_id()
            await tasks.queue.put(reply_id)
            async with worker(server.url, "--workers", "1"):

                async def ran() -> bool:
                    return await tasks.ran(reply_id) is not None

                await becomes_true(ran)


async def test_payload_is_the_id_and_the_queue_has_a_limit():
    with own_redis() as server:
        async with tasks_of(server) as tasks:
            reply_id = new_id()
            await tasks.queue.put(reply_id)
            [(_, fields)] = await tasks.client.commands.xrange(QUEUE)
            message = AtMostOnceBroker(server.url, RedisClient(server.url)).formatter.loads(fields[b"data"])
            assert (message.args, message.kwargs) == ([str(reply_id)], {})

            for _ in range(MAX_WAITING // 1_000):
                async with tasks.client.commands.pipeline(transaction=False) as pipeline:
                    for _ in range(1_000):
                        pipeline.xadd(QUEUE, fields)
                    await pipeline.execute()
            await tasks.queue.put(reply_id)
            # MAXLEN ~ trims only whole blocks of a hundred entries.
            assert await tasks.client.commands.xlen(QUEUE) <= MAX_WAITING + 100


async def test_put_without_redis_gives_up_quickly_and_raises_nothing():
    with own_redis() as server:
        async with TcpProxy(server.port).running() as proxy, queue_to(proxy.url, seconds=PUT_SECONDS) as queue:
            clock = asyncio.get_running_loop().time
            proxy.swallowing = True
            started = clock()
            await queue.put(new_id())
            assert clock() - started < PUT_SECONDS * 3
            server.kill()
            proxy.cut()
            async with asyncio.timeout(PUT_SECONDS * 3):
                await queue.put(new_id())


async def test_worker_that_is_not_ready_leaves_messages_in_the_queue():
    ready, asked = asyncio.Event(), asyncio.Event()

    async def until_ready() -> None:
        asked.set()
        await ready.wait()

    with own_redis() as server:
        async with redis_client(server.url) as client:
            broker = AtMostOnceBroker(server.url, client, ready=until_ready)
            await broker.startup()
            await TaskiqQueue(broker, "write_reply", seconds=PATIENCE).put(new_id())
            listening = asyncio.ensure_future(anext(broker.listen()))
            async with asyncio.timeout(PATIENCE):
                await asked.wait()
                groups = await client.commands.xinfo_groups(QUEUE)
                assert [group["last-delivered-id"] for group in groups] == [b"0-0"]
                ready.set()
                assert await listening
            await broker.shutdown()


async def test_listening_ends_when_cancelled_at_any_step_of_a_read():
    loop = asyncio.get_running_loop()

    def cancel_after(steps: int) -> None:
        if steps:
            loop.call_soon(cancel_after, steps - 1)
        else:
            listening.cancel()

    with own_redis() as server:
        async with redis_client(server.url) as client:
            started = asyncio.Event()

            async def until_ready() -> None:
                started.set()

            broker = AtMostOnceBroker(server.url, client, ready=until_ready)
            await broker.startup()
            for steps in range(30):
                started.clear()
                messages = broker.listen()
                listening = asyncio.ensure_future(anext(messages))
                await started.wait()
                cancel_after(steps)
                await asyncio.wait({listening}, timeout=PATIENCE)
                assert listening.cancelled()
                await messages.aclose()
            await broker.shutdown()
