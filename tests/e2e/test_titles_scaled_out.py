"""Titles of chatrooms, written by workers, of which one dies."""

import asyncio
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.process import ended, say, sign_in
from tests.e2e.scaled_out import LONG_PATIENCE, scaled_out
from tests.servers.model_server import ModelServer


async def new_room(client: httpx.AsyncClient, question: str) -> str:
    """A room without a name, whose first message has been answered."""
    room: str = (await client.post("/chatroom")).json()["id"]
    reply = await ended(client, (await say(client, room, question))["reply"])
    assert reply["status"] == "completed"
    return room


async def listed(client: httpx.AsyncClient, room: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in (await client.get("/chatroom")).json()["items"] if each["id"] == room)
    return found


async def test_a_title_outlives_its_worker_and_leaves_a_users_name_alone(tmp_path: Path) -> None:
    async with ModelServer(delay=0.15).running() as titles:
        settings = {
            "OTP_SENDER": "response",
            "GROQ_API_KEY": "any",
            "GROQ_BASE_URL": f"{titles.address}/v1",
            "GROQ_MODELS": "titles",
            "DEFAULT_MODEL": "openai/scripted",
            "TITLE_MODEL": "groq/titles",
            "REPLY_LEASE_SECONDS": "1",
        }
        async with scaled_out(tmp_path, **settings) as running:
            client, other = await sign_in(running.apis[0].address), running.visitor(1)
            other.headers["Authorization"] = client.headers["Authorization"]
            rooms = [await new_room(client, question) for question in ("one", "two")]
            await titles.until(lambda: len(titles.requests) == 2)
            await running.workers[0].kill()
            assert [(await listed(client, room))["name"] for room in rooms] == ["one", "two"]

            await running.start_worker()
            await titles.until(lambda: len(titles.requests) == 4, within=LONG_PATIENCE)
            await other.patch(f"/chatroom/{rooms[1]}", json={"name": "Mine"})
            async with asyncio.timeout(LONG_PATIENCE):
                while (await listed(other, rooms[0]))["name"] == "one":
                    await asyncio.sleep(0.05)
            found = [await listed(client, room) for room in rooms]
            usage = (await client.get("/user/usage")).json()
            left = await running.sql("SELECT count(*) FROM title_jobs")
            for each in (client, other):
                await each.aclose()

    assert [(room["name"], room["title_source"]) for room in found] == [("Answer to: <user>", "auto"), ("Mine", "user")]
    assert (usage["used"], left) == (2, 0)
