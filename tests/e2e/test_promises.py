"""Real processes keep the promise of a 202 although they are killed."""

import asyncio
from collections import Counter
from pathlib import Path

from tests.e2e.events import Reader
from tests.e2e.paying import sql
from tests.e2e.process import ended, model_server, new_room, say, served, sign_in

WORDS = " ".join(f"word{number}" for number in range(30))


async def test_every_accepted_message_gets_its_reply_although_the_process_is_killed(tmp_path: Path) -> None:
    settings = {"REPLY_LEASE_SECONDS": "1", "BASIC_DAILY_LIMIT": "100", "MAX_PENDING_REPLIES": "100"}
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0.05", **settings) as api:
        client = await sign_in(api.address)
        rooms = [await new_room(client) for _ in range(8)]
        accepted = [await say(client, room, f"{WORDS} in {room}") for room in rooms for _ in range(2)]
        reader = Reader()
        await reader.follow(client, accepted[0]["stream_url"], bytes_at_most=400)
        assert reader.text
        for _ in range(2):
            await api.kill()
            await api.start()
        replies = await asyncio.gather(*(ended(client, each["reply"]) for each in accepted))
        await reader.follow(client, accepted[0]["stream_url"])
        histories = [(await client.get(f"/chatroom/{room}/messages")).json()["items"] for room in rooms]
        usage = (await client.get("/user/usage")).json()
        await client.aclose()

    assert [reply["status"] for reply in replies] == ["completed"] * len(accepted)
    assert all(reply["content"] == f"You said: {WORDS} in {reply['chatroom_id']}" for reply in replies)
    assert reader.text == replies[0]["content"]
    assert all([message["role"] for message in history] == ["user", "assistant"] * 2 for history in histories)
    assert usage["used"] == len(accepted)


async def test_of_200_parallel_posts_exactly_the_quota_is_accepted(tmp_path: Path) -> None:
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0") as api:
        client = await sign_in(api.address)
        rooms = [await new_room(client) for _ in range(4)]
        answers = await asyncio.gather(
            *(
                client.post(f"/chatroom/{rooms[number % 4]}/message", json={"content": f"number {number}"})
                for number in range(200)
            )
        )
        histories = [(await client.get(f"/chatroom/{room}/messages")).json()["items"] for room in rooms]
        await client.aclose()

    assert Counter(answer.status_code for answer in answers) == {202: 5, 429: 195}
    assert sum(message["role"] == "user" for history in histories for message in history) == 5


async def test_200_parallel_posts_with_one_key_are_one_message(tmp_path: Path) -> None:
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0") as api:
        client = await sign_in(api.address)
        room = await new_room(client)
        answers = await asyncio.gather(
            *(
                client.post(f"/chatroom/{room}/message", json={"content": "once"}, headers={"Idempotency-Key": "k"})
                for _ in range(200)
            )
        )
        history = (await client.get(f"/chatroom/{room}/messages")).json()["items"]
        await client.aclose()

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 199
    assert len(history) == 2


async def test_gemini_and_openai_servers_are_chosen_by_settings_and_stream(tmp_path: Path) -> None:
    async with model_server("--delay", "0.01") as vendor:
        settings = {
            "OPENAI_BASE_URL": f"{vendor}/v1",
            "OPENAI_MODELS": "small",
            "GEMINI_BASE_URL": vendor,
            "GEMINI_MODELS": "flash",
        }
        async with served(tmp_path, **settings) as api:
            client = await sign_in(api.address)
            models = (await client.get("/models")).json()["items"]
            for model in ("gemini/flash", "openai/small"):
                accepted = await say(client, await new_room(client, model=model), "[[first 1 status 503]] hello")
                reader = Reader()
                await reader.follow(client, accepted["stream_url"])
                assert reader.final is not None
                message = reader.final.data["message"]
                assert (message["status"], message["model"]) == ("completed", model)
                assert reader.text == message["content"]
                assert "hello" in reader.text
                assert message["usage"]["output_tokens"] > 0
            await client.aclose()

    assert [(model["id"], model["default"]) for model in models] == [("gemini/flash", True), ("openai/small", False)]


async def test_a_clock_that_was_set_back_stops_no_room(tmp_path: Path) -> None:
    """What was stored before then lies in the future."""
    tomorrow = "strftime('%Y-%m-%d %H:%M:%f000', 'now', '+1 day')"
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0.05") as api:
        client = await sign_in(api.address)
        room = await new_room(client)
        accepted = [await say(client, room, WORDS) for _ in range(2)]
        await api.kill()
        sql(
            tmp_path,
            f"UPDATE messages SET claimable_at = {tomorrow}, queued_at = {tomorrow} WHERE reply_to IS NOT NULL",
        )
        sql(tmp_path, f"UPDATE leases SET until = {tomorrow}")
        await api.start()
        replies = [await ended(client, each["reply"]) for each in accepted]
        await client.aclose()
    assert [reply["status"] for reply in replies] == ["completed"] * 2
