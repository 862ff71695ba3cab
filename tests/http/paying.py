"""Actions of a customer, with the payment sandbox as the provider."""

from typing import Any
from uuid import UUID

import httpx

from parley.core.billing.usage import override_plan
from tests.http.answers import refused
from tests.http.site import Person, Site, until

NOON_TO_MIDNIGHT = 12 * 3_600
NEVER = {"plan": "basic", "status": "none", "current_period_end": None, "cancel_at_period_end": False, "daily_limit": 5}
PAYING = {
    "plan": "pro",
    "status": "active",
    "current_period_end": "2026-04-13T12:00:00Z",
    "cancel_at_period_end": False,
    "daily_limit": None,
}


async def read_subscription(person: Person) -> dict[str, Any]:
    answer = await person.get("/subscription/status")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def becomes(person: Person, **expected: object) -> None:
    """Wait until the subscription has these values."""

    async def has_become() -> bool:
        return expected.items() <= (await read_subscription(person)).items()

    await until(has_become)


async def checkout(person: Person) -> dict[str, str]:
    answer = await person.post("/subscribe/pro")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def press(site: Site, url: str, button: str) -> httpx.URL:
    """Press that button of the page, as a browser that is not signed in; returns the redirect's address."""
    answer = await site.visitor().post(f"{url}/{button}")
    assert answer.status_code == 303, answer.text
    return httpx.URL(answer.headers["location"])


async def pay(site: Site, person: Person) -> None:
    await press(site, (await checkout(person))["checkout_url"], "pay")


async def portal(person: Person) -> str:
    answer = await person.post("/subscription/portal")
    assert answer.status_code == 200, answer.text
    return answer.json()["portal_url"]


async def manage(site: Site, person: Person, button: str) -> None:
    await press(site, await portal(person), button)


async def override(site: Site, person: Person, plan: str | None) -> None:
    account = (await person.get("/user/me")).json()["id"]
    await override_plan(site.parley.billing, account_id=UUID(account), plan=plan)


async def use_up(person: Person, room: str) -> None:
    """Use the day's five messages."""
    for _ in range(5):
        await person.hear(room)


def unlimited(answer: httpx.Response) -> None:
    assert answer.status_code == 202, answer.text
    assert not {"ratelimit", "ratelimit-policy", "retry-after"} & set(answer.headers)


def limited(answer: httpx.Response) -> None:
    refused(answer, 429, "quota_exceeded")
    assert answer.headers["ratelimit-policy"] == '"daily";q=5;w=86400'
    assert answer.headers["ratelimit"] == f'"daily";r=0;t={NOON_TO_MIDNIGHT}'
    assert answer.headers["retry-after"] == str(NOON_TO_MIDNIGHT)
