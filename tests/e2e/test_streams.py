"""Streams over real connections to a real process."""

import asyncio
import random
import signal
from pathlib import Path

import httpx

from tests.e2e.events import Reader
from tests.e2e.process import ended, new_room, say, served, sign_in

FORTY_WORDS = " ".join(f"word{number}" for number in range(40))


async def test_text_arrives_while_it_is_written(tmp_path: Path) -> None:
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0.02") as api:
        client = await sign_in(api.address)
        accepted = await say(client, await new_room(client), FORTY_WORDS)
        reader = Reader()
        await reader.follow(client, accepted["stream_url"])
        await client.aclose()

    names = [event.name for event in reader.seen]
    assert names[0] == "start"
    assert names[-1] == "done"
    assert names.count("delta") > 5
    assert reader.final is not None
    assert reader.text == f"You said: {FORTY_WORDS}" == reader.final.data["message"]["content"]


async def test_streams_cut_at_any_byte_resume_without_gap_or_repeat(tmp_path: Path) -> None:
    chance = random.Random(20261121)
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0.02", BASIC_DAILY_LIMIT="50", MAX_PENDING_REPLIES="50") as api:
        client = await sign_in(api.address)

        async def cut_and_resume() -> tuple[str, str]:
            accepted = await say(client, await new_room(client), FORTY_WORDS)
            reader = Reader()
            while reader.final is None:
                await reader.follow(client, accepted["stream_url"], bytes_at_most=chance.randrange(1, 2_500))
            return reader.text, (await ended(client, accepted["reply"]))["content"]

        texts = await asyncio.gather(*(cut_and_resume() for _ in range(30)))
        await client.aclose()

    for read, stored in texts:
        assert read == stored == f"You said: {FORTY_WORDS}"


async def test_sigterm_ends_streams_and_process_and_the_reply_continues_after_a_restart(
    tmp_path: Path,
) -> None:
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0.2") as api:
        client = await sign_in(api.address)
        accepted = await say(client, await new_room(client), FORTY_WORDS)
        reader = Reader()
        reading = asyncio.create_task(reader.follow(client, accepted["stream_url"]))
        async with asyncio.timeout(60):
            while not reader.text:
                await asyncio.sleep(0.01)

        clock = asyncio.get_running_loop().time
        signalled = clock()
        api.signal(signal.SIGTERM)
        await reading
        code = await api.ended()
        # The contract's limit, not a measurement: waiting for an open stream would take for ever.
        assert clock() - signalled < 5
        assert code in {0, -signal.SIGTERM}
        assert reader.final is None

        api.settings = {"OFFLINE_DELAY_SECONDS": "0"}
        await api.start()
        await reader.follow(client, accepted["stream_url"])
        await client.aclose()

    assert reader.text == f"You said: {FORTY_WORDS}"
    assert [event.data for event in reader.seen if event.name == "start"] == [{"attempt": 1}, {"attempt": 2}]


async def test_readers_that_leave_do_not_disturb_others(tmp_path: Path) -> None:
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0.02") as api:
        client = await sign_in(api.address)
        accepted = await say(client, await new_room(client), FORTY_WORDS)
        stays = Reader()
        staying = asyncio.create_task(stays.follow(client, accepted["stream_url"]))
        for _ in range(20):
            async with httpx.AsyncClient(base_url=api.address) as leaving:
                await Reader().follow(leaving, accepted["stream_url"], bytes_at_most=20)
        await staying
        await client.aclose()

        assert stays.text == f"You said: {FORTY_WORDS}"
        assert "Traceback" not in api.log()
