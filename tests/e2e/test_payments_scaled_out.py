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
# Longer than the time between the starts of two workers.
STRIPE_DELAY_SECONDS = 3.0


async def test_plan_counts_in_every_process_and_is_repaired_without_a_webhook(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        stripe = await stack.enter_async_context(stripe_server())
        settings = {"OTP_SENDER": "response", "BASIC_DAILY_LIMIT": str(LIMIT), **settings_for(stripe)}
        deployment = await stack.enter_async_context(scaled_out(tmp_path, workers=2, **settings))
        at_a = await stack.enter_async_context(aclosing(await sign_in(deployment.apis[A].address)))
        at_b = await stack.enter_async_context(
            deployment.visitor(B, at_a.headers["Authorization"].removeprefix("Bearer "))
        )
        room = await new_room(at_a)
        for number in range(LIMIT):
            await say((at_a, at_b)[number % 2], room, "Hello")
        assert await refusals(room, at_a, at_b) == ["quota_exceeded"] * 2

        signed_events = stripe.account.complete((await checkout(at_a))["session_id"])
        await deliver(deployment.apis[A].address, [*signed_events[:2], *signed_events])
        await seconds_until(at_a, plan="pro", status="active")
        await say(at_b, room, "Am I Pro here too?")
        assert await deployment.sql("SELECT count(*) FROM events") == len(signed_events)

        # The subscription ends without a webhook.
        stripe.account.change(subscription_of(signed_events), status="canceled")
        for worker in deployment.workers:
            await worker.kill()
        await deployment.sql("UPDATE customers SET reconciled_at = now() - interval '2 days'")
        await say(at_a, room, "Still Pro?")
        stripe.requests.clear()
        stripe.delay = STRIPE_DELAY_SECONDS
        await asyncio.gather(deployment.start_worker(), deployment.start_worker())
        await seconds_until(at_a, within=LONG_PATIENCE, plan="basic", status="canceled")
        assert await refusals(room, at_b, at_a) == ["quota_exceeded"] * 2
        await no_reconcile_running(deployment)
        assert stripe.counts() == {"GET /v1/subscriptions": 1}
        assert await deployment.sql("SELECT reconciled_at > now() - interval '1 minute' FROM customers")
        assert "Traceback" not in deployment.logs()


async def refusals(room: str, *clients: httpx.AsyncClient) -> list[str]:
    """The error codes of messages to that room."""
    answers = [await client.post(f"/chatroom/{room}/message", json={"content": "One more"}) for client in clients]
    assert [answer.status_code for answer in answers] == [429] * len(clients)
    return [answer.json()["code"] for answer in answers]


async def no_reconcile_running(deployment: ScaledOut) -> None:
    """Wait until no worker holds the lease."""
    async with asyncio.timeout(LONG_PATIENCE):
        while await deployment.sql("SELECT count(*) FROM leases WHERE name = 'reconcile'"):
            await asyncio.sleep(0.02)
