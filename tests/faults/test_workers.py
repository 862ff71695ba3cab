"""Workers are killed, frozen and shut down while they write."""

import asyncio
import signal
from collections import Counter
from pathlib import Path

from tests.e2e.events import Reader
from tests.faults.audit import audit, follow, send
from tests.faults.cluster import LEASE_SECONDS, becomes, cluster
from tests.faults.conftest import Scale


async def test_workers_killed_under_load_lose_and_duplicate_nothing(tmp_path: Path, scale: Scale) -> None:
    async with cluster(tmp_path) as parley:
        sending = asyncio.create_task(send(parley, rooms=scale.rooms, each=scale.messages_each))
        for number in range(scale.kills):
            await asyncio.sleep(0.7)
            worker = parley.workers[number % 2]
            await worker.kill()
            await worker.start()
        statuses = await audit(parley, await sending)
    assert statuses == Counter(completed=scale.messages)


async def test_replies_of_a_killed_worker_continue_on_another_on_the_same_streams(tmp_path: Path) -> None:
    async with cluster(tmp_path) as parley:
        sent = await send(parley, rooms=12, each=1, text="[[words 400]]")
        readers = [Reader() for _ in sent]
        following = [
            asyncio.create_task(follow(parley, each, reader=reader)) for each, reader in zip(sent, readers, strict=True)
        ]
        await becomes(lambda: all(reader.text for reader in readers))
        await parley.workers[0].kill()
        # The contract allows the lease and two seconds. Two more are for a busy machine.
        await asyncio.sleep(LEASE_SECONDS + 4)
        attempts = [_attempts(reader) for reader in readers]
        await asyncio.gather(*following)
        statuses = await audit(parley, sent)
    assert statuses == Counter(completed=12)
    assert set(attempts) == {1, 2}, "both workers had some"
    assert [_attempts(reader) for reader in readers] == attempts


async def test_a_worker_killed_in_mid_reasoning_leaves_its_streams_to_another(tmp_path: Path) -> None:
    async with cluster(tmp_path, workers=1) as parley:
        sent = await send(parley, rooms=4, each=1, text="[[think 150]] [[words 30]]")
        readers = [Reader() for _ in sent]
        following = [
            asyncio.create_task(follow(parley, each, reader=reader)) for each, reader in zip(sent, readers, strict=True)
        ]
        await becomes(lambda: all(reader.reasoning for reader in readers))
        assert not any(reader.text for reader in readers)
        await parley.workers[0].kill()
        await parley.workers[0].start()
        await asyncio.gather(*following)
        statuses = await audit(parley, sent)
    assert statuses == Counter(completed=4)
    for reader in readers:
        assert _attempts(reader) == 2
        assert reader.reasoning == "".join(f"thought{number} " for number in range(150))
        assert reader.text == "".join(f"word{number} " for number in range(30))


async def test_a_frozen_worker_that_continues_changes_nothing(tmp_path: Path) -> None:
    async with cluster(tmp_path, workers=1) as parley:
        sent = await send(parley, rooms=4, each=1, text="[[words 150]]")
        readers = [Reader() for _ in sent]
        following = [
            asyncio.create_task(follow(parley, each, reader=reader)) for each, reader in zip(sent, readers, strict=True)
        ]
        await becomes(lambda: all(reader.text for reader in readers))
        frozen = parley.workers[0]
        frozen.signal(signal.SIGSTOP)
        other = type(frozen)(frozen.folder, frozen.settings)
        await other.start()
        await becomes(lambda: all(_attempts(reader) == 2 for reader in readers))
        frozen.signal(signal.SIGCONT)
        await asyncio.gather(*following)
        statuses = await audit(parley, sent)
        await other.kill()
    assert statuses == Counter(completed=4)
    assert all(_attempts(reader) == 2 for reader in readers)


async def test_sigterm_ends_every_process_in_time_and_a_restart_finishes_the_replies(
    tmp_path: Path,
) -> None:
    async with cluster(tmp_path) as parley:
        sent = await send(parley, rooms=10, each=2, text="[[words 150]]")
        for process in (*parley.workers, *parley.apis):
            process.signal(signal.SIGTERM)
        await asyncio.gather(*(process.ended() for process in (*parley.workers, *parley.apis)))
        await asyncio.gather(*(process.start() for process in (*parley.apis, *parley.workers)))
        statuses = await audit(parley, sent)
    assert statuses == Counter(completed=20)


def _attempts(reader: Reader) -> int:
    return sum(event.name == "start" for event in reader.seen)
