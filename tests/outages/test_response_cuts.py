"""Streams of responses that are cut at any byte go on at another API process, also when their worker has died."""

import asyncio
import random
from pathlib import Path

from tests.faults.cluster import Cluster, becomes, cluster
from tests.faults.response_reader import ResponseReader

CUTS = 200
BODY = {"model": "openai/scripted", "input": "[[think 40]] [[words 200]]"}


async def test_200_cuts_leave_the_text_identical(tmp_path: Path) -> None:
    chance = random.Random(20261129)
    async with cluster(tmp_path) as parley:
        readers: list[ResponseReader] = []
        while sum(reader.cuts for reader in readers) < CUTS:
            readers += await asyncio.gather(*(_cut_and_resume(parley, chance) for _ in range(10)))
        for reader in readers:
            assert reader.final is not None
            assert reader.final["status"] == "completed"
            assert reader.read == reader.written
            whole = (await parley.request("GET", f"/v1/responses/{reader.response_id}")).json()
            assert [item["content"] for item in whole["output"]] == [item["content"] for item in reader.final["output"]]


async def test_a_killed_worker_leaves_an_incomplete_item_in_streams_that_are_cut(tmp_path: Path) -> None:
    chance = random.Random(20261130)
    async with cluster(tmp_path) as parley:
        readers = [ResponseReader() for _ in range(10)]
        body = BODY | {"input": "[[think 40]] [[words 400]]"}
        reading = [asyncio.create_task(_cut_and_resume(parley, chance, reader, body)) for reader in readers]
        await becomes(lambda: all(reader.texts for reader in readers))
        for worker in parley.workers:
            await worker.kill()
            await worker.start()
        await asyncio.gather(*reading)
    assert all(reader.read == reader.written for reader in readers)
    assert any("incomplete" in reader.closed for reader in readers)
    assert all(len(reader.closed) == len(reader.texts) for reader in readers)


async def _cut_and_resume(
    parley: Cluster, chance: random.Random, reader: ResponseReader | None = None, body: dict[str, str] = BODY
) -> ResponseReader:
    reader = reader or ResponseReader()
    await reader.create(parley.client, parley.any_api(), body, bytes_at_most=chance.randrange(3_000, 6_000))
    while reader.final is None:
        await reader.follow(parley.client, parley.any_api(), bytes_at_most=chance.randrange(1, 8_000))
    return reader
