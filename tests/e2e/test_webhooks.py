"""Webhooks of a real process to a real server, which verifies them with the library of the specification."""

import asyncio
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.paying import sql
from tests.e2e.process import Served, ended, new_room, say, served, sign_in
from tests.servers.webhook_receiver import SECRET, WebhookReceiver

EMAIL, WORDS = "mira.canary@example.com", "a canary's song"


def data(receiver: WebhookReceiver, kind: str) -> list[Any]:
    return [each.event["data"] for each in receiver.of(kind)]


async def test_a_killed_process_repeats_an_event_and_an_account_is_told_to_its_end(tmp_path: Path) -> None:
    settings = {"WEBHOOK_SECRET": SECRET, "OFFLINE_DELAY_SECONDS": "0", "BASIC_DAILY_LIMIT": "1"}
    async with (
        WebhookReceiver().running() as receiver,
        served(tmp_path, WEBHOOK_URL=receiver.url, **settings) as api,
    ):
        receiver.hanging = True
        client = await sign_in(api.address, EMAIL)
        await killed_before_it_notes_the_answer(api, receiver)
        account = (await client.get("/user/me")).json()["id"]
        room = await new_room(client)
        reply = (await say(client, room, WORDS))["reply"]
        await ended(client, reply)
        for _ in range(3):
            assert (await client.post(f"/chatroom/{room}/message", json={"content": WORDS})).status_code == 429
        page = (await client.post("/subscribe/pro")).json()
        assert (await client.post(f"{page['checkout_url']}/pay")).status_code == 303
        await receiver.next(5)
        assert (await client.delete("/user/me")).status_code == 204
        await receiver.next(6)
        await all_are_counted(client)
        await client.aclose()
        left = sql(tmp_path, "SELECT kind, attempts, data, personal FROM webhook_deliveries")
        log = api.log()

    assert data(receiver, "account.created") == [{"account_id": account, "email": EMAIL}] * 2
    assert data(receiver, "quota.exceeded") == [{"account_id": account, "policy": "daily", "limit": 1}]
    assert data(receiver, "plan.changed") == [{"account_id": account, "plan": "pro", "previous_plan": "basic"}]
    assert data(receiver, "account.erased") == [{"account_id": account}]
    [completed] = data(receiver, "reply.completed")
    assert (completed["account_id"], completed["chatroom_id"], completed["message_id"]) == (account, room, reply["id"])
    assert {kind: attempts for kind, attempts, *_ in left} == {
        "account.created": 2,
        "quota.exceeded": 1,
        "plan.changed": 1,
        "account.erased": 1,
        "reply.completed": 1,
    }
    for canary in (EMAIL, WORDS, "a-secret-of-the-url", SECRET):
        assert canary not in log
    assert WORDS not in str(receiver.events)
    assert EMAIL not in str(left)


async def killed_before_it_notes_the_answer(api: Served, receiver: WebhookReceiver) -> None:
    """Between sending the first event and noting that it was delivered. The same event comes again, under its id."""
    [first] = await receiver.next()
    await api.kill()
    receiver.hanging = False
    await api.start()
    _, second = await receiver.next(2)
    assert (first.id, first.event) == (second.id, second.event)


async def all_are_counted(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while 'outcome="delivered"} 5.0' not in (await client.get("/metrics")).text:
            await asyncio.sleep(0.02)
