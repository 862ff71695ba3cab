"""Payments on two API processes and two workers, with a local Stripe."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import httpx

from tests.e2e.paying import checkout, deliver, seconds_until, settings_for, stripe_server, subscription_of
from tests.e2e.process import new_room, say, sign_in
from tests.e2e.scaled_out import LONG_PATIENCE, ScaledOut, scaled_out

A, B = 0, 1
LIMIT = 3
# Longer than one worker starts after the other.
STRIPES_SECONDS = 3.0


async def test_a_plan_counts_everywhere_and_is_repaired_where_no_webhook_came(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        stripe = await stack.enter_async_context(stripe_server())
        settings = {"OTP_SENDER": "response", "BASIC_DAILY_LIMIT": str(LIMIT), **settings_for(stripe)}
        town = await stack.enter_async_context(scaled_out(tmp_path, workers=2, **settings))
        at_a = await stack.enter_async_context(aclosing(await sign_in(town.apis[A].address)))
        at_b = await stack.enter_async_context(town.visitor(B, at_a.headers["Authorization"].removeprefix("Bearer ")))
        room = await new_room(at_a)
        for turn in range(LIMIT):
            await say((at_a, at_b)[turn % 2], room, "Hello")
        assert await refusals(room, at_a, at_b) == ["quota_exceeded"] * 2

        told = stripe.account.complete((await checkout(at_a))["session_id"])
        await deliver(town.apis[A].address, [*told[:2], *told])
        await seconds_until(at_a, plan="pro", status="active")
        await say(at_b, room, "Am I Pro here too?")
        assert await town.sql("SELECT count(*) FROM events") == len(told)

        # It ends there, and nobody says so.
        stripe.account.change(subscription_of(told), status="canceled")
        for worker in town.workers:
            await worker.kill()
        await town.sql("UPDATE customers SET reconciled_at = now() - interval '2 days'")
        await say(at_a, room, "Still Pro?")
        stripe.requests.clear()
        stripe.delay = STRIPES_SECONDS
        await asyncio.gather(town.start_worker(), town.start_worker())
        await seconds_until(at_a, within=LONG_PATIENCE, plan="basic", status="canceled")
        assert await refusals(room, at_b, at_a) == ["quota_exceeded"] * 2
        await nobody_reconciles(town)
        assert stripe.counts() == {"GET /v1/subscriptions": 1}
        assert await town.sql("SELECT reconciled_at > now() - interval '1 minute' FROM customers")
        assert "Traceback" not in town.logs()


async def refusals(room: str, *clients: httpx.AsyncClient) -> list[str]:
    """The codes with which a message to that room is refused."""
    answers = [await client.post(f"/chatroom/{room}/message", json={"content": "One more"}) for client in clients]
    assert [answer.status_code for answer in answers] == [429] * len(clients)
    return [answer.json()["code"] for answer in answers]


async def nobody_reconciles(town: ScaledOut) -> None:
    """Returns once no worker has the lease."""
    async with asyncio.timeout(LONG_PATIENCE):
        while await town.sql("SELECT count(*) FROM leases"):
            await asyncio.sleep(0.02)
