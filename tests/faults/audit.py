"""Messages sent to a cluster, and the check that every one was answered."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx

from tests.e2e.events import Reader
from tests.faults.cluster import Cluster

UNFINISHED = {"pending", "generating"}
PATIENCE = 120.0


@dataclass(frozen=True)
class Sent:
    """An accepted message, whose 202 promises a reply."""

    room: str
    content: str
    reply: str
    stream_url: str


async def send(cluster: Cluster, *, rooms: int, each: int, text: str = "[[words 30]]") -> list[Sent]:
    """Send messages to all API processes. A request that fails in an outage is repeated with the same key."""
    names = [{"name": f"room {number}"} for number in range(rooms)]
    made = await asyncio.gather(*(_with_retries(cluster, "POST", "/chatroom", name) for name in names))

    async def fill(room: str) -> list[Sent]:
        return [await _say(cluster, room, f"{text} number {number}") for number in range(each)]

    filled = await asyncio.gather(*(fill(room["id"]) for room in made))
    return [sent for room in filled for sent in room]


async def audit(cluster: Cluster, sent: list[Sent]) -> Counter[str]:
    """Check that all streams and the database show exactly one reply for every 202. Returns counts by status."""
    readers = await asyncio.gather(*(follow(cluster, each) for each in sent))
    messages = await asyncio.gather(*(_message(cluster, each) for each in sent))
    for each, reader, message in zip(sent, readers, messages, strict=True):
        assert reader.final is not None
        assert reader.final.data["message"] == message
        assert reader.text == message["content"], (each, reader.text, message["content"])
    rooms = {each.room for each in sent}
    await asyncio.gather(*(_audit_room(cluster, room, [each for each in sent if each.room == room]) for room in rooms))
    statuses = Counter(message["status"] for message in messages)
    usage = await _with_retries(cluster, "GET", "/user/usage")
    assert usage["used"] == len(sent) - statuses["failed"]
    return statuses


async def follow(cluster: Cluster, sent: Sent, *, reader: Reader | None = None) -> Reader:
    """Read the reply's stream to its end, resuming at another API process after every disconnect."""
    reader = reader or Reader()
    async with asyncio.timeout(PATIENCE):
        while reader.final is None:
            try:
                await reader.follow(cluster.client, cluster.any_api() + sent.stream_url)
            except httpx.HTTPError:
                # This process is down or shutting down; another one has the same stream.
                await asyncio.sleep(0.05)
    return reader


async def _audit_room(cluster: Cluster, room: str, sent: list[Sent]) -> None:
    page = await _with_retries(cluster, "GET", f"/chatroom/{room}/messages?limit=100")
    assert page["next_cursor"] is None
    assert [message["role"] for message in page["items"]] == ["user", "assistant"] * len(sent)
    assert [message["content"] for message in page["items"][::2]] == [each.content for each in sent]
    assert [message["id"] for message in page["items"][1::2]] == [each.reply for each in sent]


async def _message(cluster: Cluster, sent: Sent) -> dict[str, Any]:
    message = await _with_retries(cluster, "GET", f"/chatroom/{sent.room}/messages/{sent.reply}")
    assert message["status"] not in UNFINISHED
    return message


async def _say(cluster: Cluster, room: str, content: str) -> Sent:
    body = await _with_retries(
        cluster, "POST", f"/chatroom/{room}/message", {"content": content}, {"Idempotency-Key": content}
    )
    return Sent(room, content, body["reply"]["id"], body["stream_url"])


async def _with_retries(
    cluster: Cluster, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                answer = await cluster.request(method, path, json=body, headers=headers)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code < 300:
                found: dict[str, Any] = answer.json()
                return found
            assert answer.status_code == 503, (method, path, answer.status_code, answer.text)
            await asyncio.sleep(0.05)
