"""Redis and PostgreSQL are emptied, killed and restarted, and an API process dies before it can enqueue."""

import asyncio
from collections import Counter
from pathlib import Path

from tests.e2e.process import new_room
from tests.faults.audit import Sent, audit, send
from tests.faults.cluster import cluster
from tests.faults.conftest import Scale


async def test_redis_emptied_under_load(tmp_path: Path, scale: Scale) -> None:
    async with cluster(tmp_path) as parley:
        before = [worker.child() for worker in parley.workers]
        sending = asyncio.create_task(send(parley, rooms=scale.rooms, each=scale.messages_each))
        for _ in range(scale.flushes):
            await asyncio.sleep(0.7)
            await asyncio.to_thread(parley.redis.flush)
        statuses = await audit(parley, await sending)
        assert [worker.child() for worker in parley.workers] == before
    assert statuses == Counter(completed=scale.messages)


async def test_redis_killed_and_started_under_load(tmp_path: Path, scale: Scale) -> None:
    async with cluster(tmp_path) as parley:
        before = [worker.child() for worker in parley.workers]
        sending = asyncio.create_task(send(parley, rooms=scale.rooms, each=scale.messages_each))
        for _ in range(scale.flushes):
            await asyncio.sleep(0.7)
            await asyncio.to_thread(parley.redis.kill)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(parley.redis.start)
        statuses = await audit(parley, await sending)
        assert [worker.child() for worker in parley.workers] == before
    assert statuses == Counter(completed=scale.messages)


async def test_postgresql_restarted_under_load(tmp_path: Path, scale: Scale) -> None:
    async with cluster(tmp_path) as parley:
        sending = asyncio.create_task(send(parley, rooms=scale.rooms, each=scale.messages_each))
        for _ in range(scale.flushes):
            await asyncio.sleep(0.7)
            await asyncio.to_thread(parley.postgres.kill)
            await asyncio.to_thread(parley.postgres.start)
        statuses = await audit(parley, await sending)
    assert statuses == Counter(completed=scale.messages)


async def test_messages_are_accepted_and_read_while_redis_is_down(tmp_path: Path) -> None:
    async with cluster(tmp_path) as parley:
        room = await new_room(parley.client_of(0))
        await asyncio.to_thread(parley.redis.kill)
        accepted = await parley.client_of(0).post(f"/chatroom/{room}/message", json={"content": "hello"})
        history = await parley.client_of(1).get(f"/chatroom/{room}/messages")
        refused = await parley.client_of(0).post("/auth/send-otp", json={"email": "other@example.com"})
        ready = await parley.client_of(0).get("/health/ready")
        await asyncio.to_thread(parley.redis.start)
        body = accepted.json()
        sent = Sent(room, "hello", body["reply"]["id"], body["stream_url"])
        statuses = await audit(parley, [sent])

    assert accepted.status_code == 202
    assert [message["content"] for message in history.json()["items"]] == ["hello", ""]
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert (ready.status_code, ready.json()["down"]) == (503, ["redis"])
    assert statuses == Counter(completed=1)


async def test_an_api_process_killed_between_commit_and_enqueue_loses_nothing(tmp_path: Path) -> None:
    async with cluster(tmp_path, workers=1) as parley:
        room = await new_room(parley.client_of(0))
        # Without Redis nothing can be enqueued, so the killed process is the only one that knew of the message.
        await asyncio.to_thread(parley.redis.kill)
        body = (await parley.client_of(0).post(f"/chatroom/{room}/message", json={"content": "hello"})).json()
        await parley.apis[0].kill()
        await asyncio.to_thread(parley.redis.start)
        await parley.apis[0].start()
        statuses = await audit(parley, [Sent(room, "hello", body["reply"]["id"], body["stream_url"])])
    assert statuses == Counter(completed=1)


async def test_of_100_parallel_posts_over_three_api_processes_exactly_five_are_accepted(tmp_path: Path) -> None:
    async with cluster(tmp_path, apis=3, workers=1, BASIC_DAILY_LIMIT="5") as parley:
        room = await new_room(parley.client_of(0))
        answers = await asyncio.gather(
            *(
                parley.request("POST", f"/chatroom/{room}/message", json={"content": f"number {number}"})
                for number in range(100)
            )
        )
    assert Counter(answer.status_code for answer in answers) == {202: 5, 429: 95}


async def test_lost_answers_of_redis_duplicate_and_lose_nothing(tmp_path: Path, scale: Scale) -> None:
    async with cluster(tmp_path, through_proxy=True) as parley:
        sending = asyncio.create_task(send(parley, rooms=scale.rooms, each=scale.messages_each))
        for _ in range(5 * scale.flushes):
            await asyncio.sleep(0.3)
            parley.proxy.cut_at_next_answer = True
        statuses = await audit(parley, await sending)
        assert parley.proxy.answers_lost > 0
    assert statuses == Counter(completed=scale.messages)
