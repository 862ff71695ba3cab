"""Streams are resumed at another API process, and stops reach the worker that writes."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from uuid import UUID

from tests.e2e.events import Reader
from tests.faults.audit import Sent, audit, follow, send
from tests.faults.cluster import Cluster, becomes, cluster
from tests.faults.response_reader import ResponseReader

STREAMS = 200


async def test_200_streams_cut_at_any_byte_resume_at_another_process(tmp_path: Path) -> None:
    chance = random.Random(20261121)
    async with cluster(tmp_path) as parley:
        sent = await send(parley, rooms=STREAMS, each=1, text="[[think 20]] [[words 30]]")

        async def cut_and_resume(each: Sent) -> Reader:
            reader = Reader()
            while reader.final is None:
                url = parley.any_api() + each.stream_url
                await reader.follow(parley.client, url, bytes_at_most=chance.randrange(1, 4_000))
            return reader

        async def cut_and_resume_response(each: Sent) -> ResponseReader:
            reader = ResponseReader(f"resp_{UUID(each.reply).hex}")
            while reader.final is None:
                await reader.follow(parley.client, parley.any_api(), bytes_at_most=chance.randrange(1, 4_000))
            return reader

        responses = asyncio.gather(*(cut_and_resume_response(each) for each in sent[:10]))
        readers = await asyncio.gather(*(cut_and_resume(each) for each in sent))
        assert all(reader.read == reader.written for reader in await responses)
        statuses = await audit(parley, sent)
    assert statuses == Counter(completed=STREAMS)
    # `audit` compares readers of its own, which are not cut, with the database.
    for reader in readers:
        assert reader.final is not None
        message = reader.final.data["message"]
        assert reader.text == message["content"]
        parts = [("reasoning", reader.reasoning), ("text", reader.text)]
        assert parts == [(part["type"], part["text"]) for part in message["parts"]]
        starts = [event.id for event in reader.seen if event.name == "start"]
        # One for each attempt; on a busy machine a lease may expire, which makes more than one.
        assert len(set(starts)) == len(starts)
        assert starts[-1] == f"{reader.final.id.split('-')[0]}-0"


async def test_a_stop_reaches_the_worker_that_writes_and_keeps_the_text(tmp_path: Path) -> None:
    async with cluster(tmp_path) as parley:
        sent = await send(parley, rooms=6, each=1, text="[[words 2000]]")
        readers = [Reader() for _ in sent]
        following = [
            asyncio.create_task(follow(parley, each, reader=reader)) for each, reader in zip(sent, readers, strict=True)
        ]
        await becomes(lambda: all(reader.text for reader in readers))
        clock = asyncio.get_running_loop().time
        took = []
        for each in sent:
            started = clock()
            stopped = await _stop(parley, each)
            took.append(clock() - started)
            assert stopped["status"] == "stopped"
            assert stopped["content"]
        await asyncio.gather(*following)
        statuses = await audit(parley, sent)
    assert statuses == Counter(stopped=6)
    # One second each, by the contract. Without the signal it would be at least a third of the lease each time.
    assert sum(took) < len(sent)


async def _stop(parley: Cluster, sent: Sent) -> dict[str, str]:
    answer = await parley.request("POST", f"/chatroom/{sent.room}/messages/{sent.reply}/stop")
    assert answer.status_code == 200, answer.text
    body: dict[str, str] = answer.json()
    return body
