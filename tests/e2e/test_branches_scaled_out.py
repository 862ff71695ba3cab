"""Parallel edits and other replies over two API processes leave one tree, and none of them is lost."""

import asyncio
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.process import ended, new_room, say
from tests.e2e.scaled_out import ScaledOut, scaled_out, texted_code

WHO = {"mobile_number": "+919876543210"}
PARALLEL = 50


async def signed_in(running: ScaledOut) -> str:
    sent = await running.post(0, "/auth/send-otp", WHO)
    assert sent.status_code == 200, sent.text
    verified = await running.post(0, "/auth/verify-otp", {**WHO, "otp": await texted_code(running.gateway, WHO)})
    token: str = verified.json()["access_token"]
    return token


async def test_50_parallel_edits_and_regenerations_of_one_message_are_siblings_without_gaps(tmp_path: Path) -> None:
    settings = {"BASIC_DAILY_LIMIT": "1000", "MAX_PENDING_REPLIES": "200"}
    async with scaled_out(tmp_path, **settings) as running:
        token = await signed_in(running)
        clients = [running.visitor(api, token) for api in (0, 1)]
        room = await new_room(clients[0])
        first = await say(clients[0], room, "first")
        question, reply = (f"/chatroom/{room}/messages/{first[part]['id']}" for part in ("message", "reply"))

        async def change(number: int) -> dict[str, Any]:
            client = clients[number % 2]
            answer = await (
                client.post(f"{question}/edit", json={"content": f"version {number}"})
                if number % 4 < 2
                else client.post(f"{reply}/regenerate")
            )
            assert answer.status_code == 202, answer.text
            body: dict[str, Any] = answer.json()
            return body

        accepted = await asyncio.gather(*(change(number) for number in range(PARALLEL)))
        replies = [await ended(clients[0], each["reply"]) for each in accepted]
        found = await messages_of(clients[1], room)
        usage = (await clients[1].get("/user/usage")).json()
        for client in clients:
            await client.aclose()

    assert [reply["status"] for reply in replies] == ["completed"] * PARALLEL
    assert usage["used"] == PARALLEL + 1
    by_id = {message["id"]: message for message in found}
    assert {each["reply"]["id"] for each in accepted} <= by_id.keys()
    children: dict[str | None, list[dict[str, Any]]] = {}
    for message in found:
        children.setdefault(message["parent_id"], []).append(message)
    for siblings in children.values():
        assert [message["siblings"]["index"] for message in siblings] == list(range(len(siblings)))
        assert {message["siblings"]["count"] for message in siblings} == {len(siblings)}
    # Edits alternate with other replies in pairs.
    edits = sum(number % 4 < 2 for number in range(PARALLEL))
    assert len(children[None]) == 1 + edits
    assert len(children[first["message"]["id"]]) == 1 + PARALLEL - edits
    assert len(found) == 2 + 2 * edits + PARALLEL - edits


async def messages_of(client: httpx.AsyncClient, room: str) -> list[dict[str, Any]]:
    """All messages, by time."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        parameters = {"all": "true", "limit": "100"} | ({} if cursor is None else {"cursor": cursor})
        page = (await client.get(f"/chatroom/{room}/messages", params=parameters)).json()
        found = [*page["items"], *found]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
