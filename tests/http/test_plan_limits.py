"""A third plan is a table in parley.toml: every limit of it is in force, with the next message after a change."""

from pathlib import Path
from uuid import UUID

import httpx
import pytest

from parley.core.billing.usage import override_plan
from tests.http.answers import refused
from tests.http.conftest import OpenSite
from tests.http.open_stream import open_stream
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Person, Site, address

FILE = """
[plans.free]

[plans.tiny]
title = "Tiny"
prices = ["price_tiny"]
messages_per_day = 50
tokens_per_day = 1500
tokens_per_month = 4000
models = ["scripted/two"]
max_pending_replies = 1
max_rooms = 2
max_open_streams = 1
context_characters = 10

[plans.team]
prices = ["price_team"]

[prices."scripted/two"]
input = 2.0
output = 10.0
"""
NOON_TO_MIDNIGHT = 12 * 3_600
# 17 days later, at the end of March.
NOON_TO_APRIL = NOON_TO_MIDNIGHT + 17 * 86_400


@pytest.fixture
async def site(open_site: OpenSite, tmp_path: Path) -> Site:
    (tmp_path / "plans.toml").write_text(FILE)
    return await open_site(
        PARLEY_CONFIG=str(tmp_path / "plans.toml"), BASIC_DAILY_LIMIT="", RESERVED_ANSWER_TOKENS="1000"
    )


async def put_on(site: Site, person: Person, plan: str | None) -> None:
    account = (await person.get("/user/me")).json()["id"]
    await override_plan(site.parley.billing, account_id=UUID(account), plan=plan)


async def models(person: Person) -> dict[str, bool]:
    return {each["id"]: each["default"] for each in (await person.get("/models")).json()["items"]}


def quota(answer: httpx.Response) -> tuple[str, str]:
    return answer.headers["ratelimit-policy"], answer.headers["ratelimit"]


async def test_every_limit_of_a_third_plan(site: Site, mira: Person, model: ScriptedModel) -> None:
    rooms = [await mira.new_room(model="scripted/one"), await mira.new_room(), await mira.new_room()]
    assert await models(mira) == {"scripted/one": True, "scripted/two": False}
    await put_on(site, mira, "tiny")
    assert await models(mira) == {"scripted/two": True}

    # What is there stays, and no more comes.
    answer = refused(await mira.post("/chatroom", json={"name": "One more"}), 403, "plan_limit")
    assert "Tiny" in answer["detail"]
    assert (await mira.delete(f"/chatroom/{rooms[2]}")).status_code == 204
    refused(await mira.post("/chatroom", json={"name": "One more"}), 403, "plan_limit")

    answer = refused(await mira.say(rooms[0]), 403, "plan_limit")
    assert "scripted/two" in answer["detail"]
    refused(await mira.say(rooms[1], model="scripted/one"), 403, "plan_limit")
    refused(await mira.patch(f"/chatroom/{rooms[1]}", json={"model": "scripted/one"}), 403, "plan_limit")
    refused(await mira.say(rooms[1], model="scripted/three"), 400, "unknown_model", "model")

    gate = Gate()
    model.on("Hello", "Hi", gate)
    accepted = await mira.say(rooms[0], model="scripted/two")
    left = 1_500 - 1_002
    assert quota(accepted) == (
        '"daily";q=50;w=86400, "tokens-daily";q=1500;w=86400, "tokens-monthly";q=4000;w=2678400',
        ", ".join(
            (
                f'"daily";r=49;t={NOON_TO_MIDNIGHT}',
                f'"tokens-daily";r={left};t={NOON_TO_MIDNIGHT}',
                f'"tokens-monthly";r=2998;t={NOON_TO_APRIL}',
            )
        ),
    )
    reply = accepted.json()["reply"]
    await gate.reached()
    assert reply["model"] == "scripted/two"
    refused(await mira.say(rooms[1]), 429, "too_many_pending")
    async with open_stream(site.app, accepted.json()["stream_url"]) as stream:
        assert (await stream.event()) is not None
        refused(await mira.get(address(reply), headers={"Prefer": "wait=1"}), 429, "rate_limited")
    usage = (await mira.get("/user/usage")).json()
    assert usage["token_quota"]["day"] == {
        "used": 0,
        "reserved": 1_002,
        "limit": 1_500,
        "remaining": left,
        "resets_at": "2026-03-15T00:00:00Z",
    }
    gate.open()
    await mira.ended(reply)

    # Ten characters of history: the exchange before is too long.
    await mira.hear(rooms[0], "And now?", model="scripted/two")
    assert model.asked[-1] == [("user", "And now?")]
    usage = (await mira.get("/user/usage")).json()
    assert usage["tokens"] == {"input": 2, "output": 14, "estimated": 0}
    assert usage["cost_usd"] == pytest.approx((2 * 2.0 + 14 * 10.0) / 1_000_000)
    assert usage["history"][0]["cost_usd"] == usage["cost_usd"]

    await put_on(site, mira, "team")
    assert await models(mira) == {"scripted/one": True, "scripted/two": False}
    assert "ratelimit" not in (await mira.say(rooms[0])).headers
    await mira.new_room()


async def test_tokens_are_used_up_until_the_month_ends(site: Site, mira: Person, model: ScriptedModel) -> None:
    await put_on(site, mira, "tiny")
    room, other = await mira.new_room(), await mira.new_room()
    model.on("Much", "word " * 6_000)
    model.counts = False
    assert (await mira.hear(room, "Much"))["usage"] is None
    answer = await mira.say(other)
    refused(answer, 429, "quota_exceeded")
    assert "4000 tokens that the plan allows a month" in answer.json()["detail"]
    assert answer.headers["retry-after"] == str(NOON_TO_APRIL)
    assert answer.headers["ratelimit"].endswith(f'"tokens-monthly";r=0;t={NOON_TO_APRIL}')
    refused(await mira.say(room, key="a key"), 429, "quota_exceeded")
    tokens = (await mira.get("/user/usage")).json()["tokens"]
    assert tokens == {"input": 1, "output": 7_500, "estimated": 7_501}


async def test_everyone_reads_what_plans_allow(site: Site) -> None:
    free, tiny, team = (await site.visitor().get("/plans")).json()["items"]
    assert (tiny["tokens_per_day"], tiny["tokens_per_month"], tiny["models"]) == (1_500, 4_000, ["scripted/two"])
    assert (team["tokens_per_day"], team["tokens_per_month"]) == (None, None)
    assert free["models"] == team["models"] == ["scripted/one", "scripted/two"]
