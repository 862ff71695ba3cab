"""A local Stripe, and the actions of customers and of Stripe towards parley's processes."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.process import PATIENCE
from tests.servers.stripe_account import KEY, PRICE, SECRET, Signed, StripeAccount
from tests.servers.stripe_server import StripeServer


@asynccontextmanager
async def stripe_server() -> AsyncIterator[StripeServer]:
    async with StripeServer(StripeAccount()).running() as server:
        yield server


def settings_for(server: StripeServer) -> dict[str, str]:
    return {
        "STRIPE_SECRET_KEY": KEY,
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_PRICE_ID": PRICE,
        "STRIPE_API_BASE": server.url,
    }


async def checkout(client: httpx.AsyncClient) -> dict[str, str]:
    answer = await client.post("/subscribe/pro")
    assert answer.status_code == 200, answer.text
    page: dict[str, str] = answer.json()
    return page


async def deliver(address: str, signed_events: Iterable[Signed]) -> None:
    """Send the webhooks as Stripe does, one after the other."""
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as stripe:
        for body, signature in signed_events:
            headers = {"Stripe-Signature": signature, "Content-Type": "application/json; charset=utf-8"}
            answer = await stripe.post("/webhook/stripe", content=body, headers=headers)
            assert (answer.status_code, answer.json()) == (200, {"received": True}), answer.text


async def seconds_until(client: httpx.AsyncClient, *, within: float = PATIENCE, **expected: Any) -> float:
    """Wait until the subscription has these values; returns the seconds. TimeoutError after `within` seconds."""
    since = now()
    async with asyncio.timeout(within):
        while not expected.items() <= (await client.get("/subscription/status")).json().items():
            await asyncio.sleep(0.01)
    return now() - since


def subscription_of(signed_events: Iterable[Signed]) -> str:
    """The id of the subscription in these events."""
    subjects = [json.loads(body)["data"]["object"] for body, _ in signed_events]
    return next(str(resource["id"]) for resource in subjects if resource["object"] == "subscription")


def sql(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement on the SQLite file of a `parley run` in that folder."""
    with closing(sqlite3.connect(folder / "parley.db", timeout=PATIENCE)) as database, database:
        return list(database.execute(statement))


def tables(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    names = [name for (name,) in sql(folder, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {name: sql(folder, f"SELECT * FROM {name}") for name in names}


def now() -> float:
    return asyncio.get_running_loop().time()
