"""Plans of parley.toml, from the public list to the limit in force with the next message."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.http.conftest import OpenSite
from tests.http.site import Person

FILE = """
[plans.free]
title = "Free"
messages_per_day = 1

[plans.plus]
prices = ["price_month", "price_year"]
trial_days = 14
messages_per_day = 3

[plans.team]
prices = ["price_team"]
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "plans.toml"
    path.write_text(FILE)
    return str(path)


async def limit_in_force(person: Person) -> str | None:
    accepted = await person.say(await person.new_room())
    return accepted.headers.get("ratelimit-policy")


async def press(person: Person, address: str, button: str) -> None:
    answer = await person.post(f"{urlsplit(address).path}/{button}")
    assert answer.status_code == 303, answer.text


async def test_everyone_reads_the_plans(open_site: OpenSite, file: str) -> None:
    visitor = (await open_site(PARLEY_CONFIG=file, BASIC_DAILY_LIMIT="")).visitor()
    answer = await visitor.get("/plans")
    assert answer.headers["cache-control"] == "public, max-age=600"
    free, plus, team = answer.json()["items"]
    assert (free["name"], free["title"], free["messages_per_day"], free["prices"]) == ("free", "Free", 1, [])
    assert [(price["id"], price["interval"], price["trial_days"]) for price in plus["prices"]] == [
        ("price_month", "month", 14),
        ("price_year", "year", 14),
    ]
    assert team["messages_per_day"] is None


async def test_without_a_file_there_are_two_plans(open_site: OpenSite) -> None:
    answer = await (await open_site(BASIC_DAILY_LIMIT="5")).visitor().get("/plans")
    assert [(plan["name"], plan["messages_per_day"]) for plan in answer.json()["items"]] == [
        ("basic", 5),
        ("pro", None),
    ]


async def test_each_plan_is_in_force_with_the_next_message(open_site: OpenSite, file: str) -> None:
    mira = await (await open_site(PARLEY_CONFIG=file, BASIC_DAILY_LIMIT="")).person()
    assert (await mira.get("/user/me")).json()["plan"] == "free"
    assert await limit_in_force(mira) == '"daily";q=1;w=86400'
    page = (await mira.post("/subscribe/plus", json={"price": "price_year"})).json()["checkout_url"]
    assert "price_year" in (await mira.get(urlsplit(page).path)).text
    await press(mira, page, "pay")
    status = (await mira.get("/subscription/status")).json()
    assert (status["plan"], status["status"], status["daily_limit"]) == ("plus", "trialing", 3)
    assert await limit_in_force(mira) == '"daily";q=3;w=86400'
    portal = (await mira.post("/subscription/portal")).json()["portal_url"]
    await press(mira, portal, "price/price_team")
    assert (await mira.get("/user/usage")).json()["plan"] == "team"
    assert await limit_in_force(mira) is None
    await press(mira, portal, "price/price_month")
    assert await limit_in_force(mira) == '"daily";q=3;w=86400'
    await press(mira, portal, "end-trial")
    assert (await mira.get("/subscription/status")).json()["status"] == "active"
    await press(mira, portal, "cancel-now")
    assert (await mira.get("/user/me")).json()["plan"] == "free"
    refused = await mira.say(await mira.new_room())
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")


async def test_the_first_price_is_that_of_the_plan(open_site: OpenSite, file: str) -> None:
    mira = await (await open_site(PARLEY_CONFIG=file, BASIC_DAILY_LIMIT="")).person()
    for alias in ("/subscribe/plus", "/subscription/plus", "/payments/subscribe/plus"):
        page = (await mira.post(alias)).json()["checkout_url"]
        assert "price_month" in (await mira.get(urlsplit(page).path)).text


@pytest.mark.parametrize(
    ("plan", "body", "status", "code"),
    [
        ("gold", None, 404, "plan_unknown"),
        ("free", None, 404, "plan_unknown"),
        ("plus", {"price": "price_team"}, 400, "invalid_input"),
        ("plus", {"price": 7}, 400, "invalid_input"),
        ("plus", {"prices": "price_year"}, 400, "invalid_input"),
    ],
)
async def test_what_cannot_be_subscribed_is_told(
    open_site: OpenSite, file: str, plan: str, body: object, status: int, code: str
) -> None:
    mira = await (await open_site(PARLEY_CONFIG=file, BASIC_DAILY_LIMIT="")).person()
    answer = await mira.post(f"/subscribe/{plan}", json=body) if body else await mira.post(f"/subscribe/{plan}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_no_portal_offers_a_price_of_another_product(open_site: OpenSite, file: str) -> None:
    mira = await (await open_site(PARLEY_CONFIG=file, BASIC_DAILY_LIMIT="")).person()
    page = (await mira.post("/subscribe/plus")).json()["checkout_url"]
    await press(mira, page, "pay")
    portal = (await mira.post("/subscription/portal")).json()["portal_url"]
    answer = await mira.post(f"{urlsplit(portal).path}/price/price_of_somebody")
    assert answer.status_code == 404
    assert (await mira.get("/user/me")).json()["plan"] == "plus"
