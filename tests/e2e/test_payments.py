"""Payments with real processes and a local Stripe, including one that does not answer and a killed process."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from uuid import UUID

import httpx

from tests.e2e.paying import (
    checkout,
    deliver,
    now,
    seconds_until,
    settings_for,
    sql,
    stripe_server,
    subscription_of,
    tables,
)
from tests.e2e.process import Served, ended, new_room, run_parley, say, served, sign_in
from tests.faults.cluster import becomes
from tests.servers.stripe_server import StripeServer

EMAIL, NAME, WORDS = "mira.canary@example.com", "Mira Canary", "a canary's song"
PRO = {"plan": "pro", "status": "active", "daily_limit": None}
BASIC = {"plan": "basic", "status": "canceled", "daily_limit": 0}
OPEN_WORK = "SELECT customer_id FROM closures UNION ALL SELECT customer_id FROM events WHERE handled_at IS NULL"
# Ten minutes ago: late enough for `parley check` to report it, and the killed process's lease has expired.
LATE = "strftime('%Y-%m-%d %H:%M:%f000', 'now', '-10 minutes')"


@asynccontextmanager
async def payer(folder: Path, stripe: StripeServer, **settings: str) -> AsyncIterator[tuple[Served, httpx.AsyncClient]]:
    """A `parley run` with that Stripe, and a client that is signed in."""
    async with (
        served(folder, **settings_for(stripe), **settings) as api,
        aclosing(await sign_in(api.address, EMAIL)) as client,
    ):
        yield api, client


async def test_plan_follows_stripe_and_erasure_leaves_nothing_at_either_side(tmp_path: Path) -> None:
    async with stripe_server() as stripe, payer(tmp_path, stripe, BASIC_DAILY_LIMIT="0") as (api, client):
        account = (await client.patch("/user/me", json={"name": NAME})).json()["id"]
        room = await new_room(client, instructions=WORDS)
        page = await checkout(client)
        assert page["checkout_url"] == f"{stripe.url}/c/pay/{page['session_id']}"

        signed_events = stripe.account.complete(page["session_id"])
        shuffled = signed_events * 2
        random.Random(4).shuffle(shuffled)
        await deliver(api.address, shuffled)
        await seconds_until(client, within=2.0, **PRO)
        await ended(client, (await say(client, room, WORDS))["reply"])
        assert (await client.post("/subscribe/pro")).json()["code"] == "already_subscribed"
        assert (await client.post("/subscription/portal")).json()["portal_url"].startswith(f"{stripe.url}/p/session/")

        await deliver(api.address, stripe.account.change(subscription_of(signed_events), status="canceled"))
        await seconds_until(client, within=2.0, **BASIC)
        refusal = await client.post(f"/chatroom/{room}/message", json={"content": WORDS})
        assert (refusal.status_code, refusal.json()["code"]) == (429, "quota_exceeded")

        signed_events = stripe.account.complete((await checkout(client))["session_id"])
        await deliver(api.address, signed_events)
        await seconds_until(client, within=2.0, **PRO)
        [customer] = [each["id"] for each in stripe.account.objects.values() if each["object"] == "customer"]
        assert (await client.delete("/user/me")).status_code == 204
        await becomes(lambda: customer not in stripe.account.objects, within=15.0)
        assert stripe.account.objects[subscription_of(signed_events)]["status"] == "canceled"
        # Events about the erased customer change nothing.
        await deliver(api.address, stripe.account.change(subscription_of(signed_events), status="canceled"))
        await becomes(lambda: not sql(tmp_path, OPEN_WORK))
        left = tables(tmp_path)
        log = api.log()

    for empty in ("accounts", "plans", "customers", "subscriptions", "closures", "rooms", "messages", "usage_days"):
        assert left[empty] == [], empty
    assert len(left.pop("events")) == 3 + 1 + 3 + 1
    text = repr(left)
    id_ = UUID(account)
    for personal in (EMAIL, NAME, WORDS, customer, account, id_.hex, repr(id_.bytes)):
        assert personal not in text, personal
    assert EMAIL not in log
    assert "Traceback" not in log


async def test_event_survives_the_process_that_was_killed_while_processing_it(tmp_path: Path) -> None:
    async with stripe_server() as stripe, payer(tmp_path, stripe) as (api, client):
        signed_events = stripe.account.complete((await checkout(client))["session_id"])
        request = f"GET /v1/subscriptions/{subscription_of(signed_events)}"
        stripe.hanging = True
        await deliver(api.address, signed_events[:1])
        await stripe.until(lambda: stripe.counts()[request] == 1)
        await api.kill()
        stripe.hanging = False

        code, out, _ = await run_parley(tmp_path, "check", **settings_for(stripe))
        assert (code, "ok     webhooks: 1 wait to be processed\n" in out) == (0, True), out
        sql(tmp_path, f"UPDATE events SET received_at = {LATE}, claimable_at = {LATE}")
        code, out, _ = await run_parley(tmp_path, "check", **settings_for(stripe))
        [wrong] = [line for line in out.splitlines() if not line.startswith(("ok ", "unwise "))]
        assert code == 1
        assert wrong.startswith("WRONG  webhooks: 1 wait to be processed, the oldest since ")

        await api.start()
        await seconds_until(client, **PRO | {"daily_limit": None})
        # Stripe may repeat any event.
        await deliver(api.address, signed_events[:1] * 3)
        rows = sql(tmp_path, "SELECT kind, failures, handled_at IS NOT NULL, claimable_at FROM events")
        assert rows == [("customer.subscription.created", 0, True, None)]
        assert stripe.counts()[request] == 2
        _, out, _ = await run_parley(tmp_path, "check", **settings_for(stripe))
        assert "ok     webhooks: 0 wait to be processed\n" in out


async def test_messages_are_answered_while_stripe_does_not_answer(tmp_path: Path) -> None:
    async with stripe_server() as stripe, payer(tmp_path, stripe, BASIC_DAILY_LIMIT="1000") as (api, client):
        room = await new_room(client)
        stripe.hanging = True
        slow = asyncio.create_task(seconds_until_unavailable(client))
        await stripe.until(lambda: bool(stripe.requests))
        replies = 0
        while not slow.done():
            accepted = await say(client, room, "Is anybody there?")
            reply = await ended(client, accepted["reply"])
            assert reply["status"] == "completed"
            replies += not slow.done()
        assert await slow <= 15.0
        assert replies >= 3

        stripe.hanging = False
        page = await checkout(client)
        await stripe.stop()
        assert await seconds_until_unavailable(client) <= 15.0
        await ended(client, (await say(client, room, "And now?"))["reply"])
        subscription = (await client.get("/subscription/status")).json()
        log = api.log()

    assert subscription["status"] == "none"
    assert page["session_id"] in stripe.account.objects
    assert "Traceback" not in log


async def seconds_until_unavailable(client: httpx.AsyncClient) -> float:
    since = now()
    answer = await client.post("/subscribe/pro")
    assert (answer.status_code, answer.json()["code"]) == (503, "payments_unavailable"), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return now() - since


async def test_production_refuses_the_sandbox_in_one_line(tmp_path: Path) -> None:
    settings = {
        "ENVIRONMENT": "production",
        "AUTH_REQUESTS_PER_MINUTE": "20",
        "DEFAULT_MODEL": "offline/echo",
        "OTP_SENDER": "sms",
        "SMS_WEBHOOK_URL": "https://sms.example",
        "FRONTEND_URL": "https://app.example",
        "STRIPE_WEBHOOK_SECRET": "whsec_not_to_be_seen",
    }
    code, out, err = await run_parley(tmp_path, "run", **settings)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith("parley: STRIPE_SECRET_KEY:")
    assert not [*tmp_path.glob("*.db")]


async def test_customer_deleted_at_stripe_is_made_anew_and_two_subscriptions_are_reported(tmp_path: Path) -> None:
    async with stripe_server() as stripe, payer(tmp_path, stripe) as (api, client):
        signed_events = stripe.account.complete((await checkout(client))["session_id"])
        await deliver(api.address, signed_events)
        await seconds_until(client, **PRO)
        customer = stripe.account.objects[subscription_of(signed_events)]["customer"]
        deleted = stripe.account.objects[customer]
        stripe.account.delete_customer({}, customer)
        await deliver(api.address, [stripe.account.signed("customer.deleted", deleted)])
        await seconds_until(client, plan="basic", status="canceled")

        signed_events = stripe.account.complete((await checkout(client))["session_id"])
        await deliver(api.address, signed_events)
        await seconds_until(client, **PRO)
        replacement = stripe.account.objects[subscription_of(signed_events)]["customer"]
        assert replacement != customer
        [second] = stripe.account.subscribe(replacement, 1)
        await deliver(api.address, [stripe.account.signed("invoice.paid", {"customer": replacement})])
        await becomes(lambda: second in {row[0] for row in sql(tmp_path, "SELECT id FROM subscriptions")})
        account = (await client.get("/user/me")).json()["id"]
        code, out, _ = await run_parley(tmp_path, "check", **settings_for(stripe))
    assert code == 1
    assert f"WRONG  subscriptions: accounts with two that run: {account}; cancel and refund one" in out
