"""The Basic plan has exactly five messages per UTC day."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from parley.core.billing.usage import override_plan
from parley.core.chat.errors import ModelRefused
from parley.core.plans import PRO
from tests.http.answers import refused
from tests.http.conftest import OpenSite
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Clock, Person, Site, address

NOON_TO_MIDNIGHT = 12 * 3_600


@pytest.fixture
async def site(open_site: OpenSite) -> Site:
    return await open_site(BASIC_DAILY_LIMIT="5")


def quota(answer: httpx.Response) -> tuple[str, str]:
    return answer.headers["ratelimit-policy"], answer.headers["ratelimit"]


async def put_on(plan: str | None, site: Site, person: Person) -> None:
    account = (await person.get("/user/me")).json()["id"]
    await override_plan(site.parley.billing, account_id=UUID(account), plan=plan)


async def test_each_answer_has_the_remaining_quota(mira: Person, room: str) -> None:
    for left in (4, 3, 2, 1, 0):
        answer = await mira.say(room)
        assert answer.status_code == 202
        assert quota(answer) == ('"daily";q=5;w=86400', f'"daily";r={left};t={NOON_TO_MIDNIGHT}')
        assert "retry-after" not in answer.headers


async def test_the_sixth_message_is_refused_and_changes_nothing(site: Site, mira: Person, room: str) -> None:
    for _ in range(5):
        await mira.hear(room)
    before = await site.rows()
    answer = await mira.say(room)
    refused(answer, 429, "quota_exceeded")
    assert quota(answer) == ('"daily";q=5;w=86400', f'"daily";r=0;t={NOON_TO_MIDNIGHT}')
    assert answer.headers["retry-after"] == str(NOON_TO_MIDNIGHT)
    assert await site.rows() == before


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        (datetime(2026, 3, 14, 0, 0, 0, tzinfo=UTC), 86_400),
        (datetime(2026, 3, 14, 0, 0, 0, 1, tzinfo=UTC), 86_400),
        (datetime(2026, 3, 14, 23, 59, 58, 500_000, tzinfo=UTC), 2),
        (datetime(2026, 3, 14, 23, 59, 59, 999_999, tzinfo=UTC), 1),
        (datetime(2024, 2, 28, 23, 0, 0, tzinfo=UTC), 3_600),
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), 1),
    ],
    ids=str,
)
async def test_the_seconds_to_midnight_are_rounded_up(site: Site, clock: Clock, now: datetime, seconds: int) -> None:
    clock.now = now
    mira = await site.person()
    room = await mira.new_room()
    for left in (4, 3, 2, 1, 0):
        assert (await mira.say(room)).headers["ratelimit"] == f'"daily";r={left};t={seconds}'
    answer = await mira.say(room)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, str(seconds))


async def test_the_next_utc_day_has_a_new_quota(site: Site, clock: Clock) -> None:
    clock.now = datetime(2026, 3, 14, 23, 59, 59, 999_000, tzinfo=UTC)
    mira = await site.person()
    room = await mira.new_room()
    for _ in range(5):
        await mira.hear(room)
    refused(await mira.say(room), 429, "quota_exceeded")
    clock.forward(seconds=0.001)
    answer = await mira.say(room)
    assert answer.status_code == 202
    assert answer.headers["ratelimit"] == '"daily";r=4;t=86400'


async def test_of_200_concurrent_messages_exactly_five_are_accepted(mira: Person, model: ScriptedModel) -> None:
    rooms = [await mira.new_room(f"Room {number}") for number in range(4)]
    answers = await asyncio.gather(*(mira.say(rooms[turn % 4], f"Message {turn}") for turn in range(200)))
    accepted = [answer for answer in answers if answer.status_code == 202]
    assert sorted(answer.headers["ratelimit"] for answer in accepted) == [
        f'"daily";r={left};t={NOON_TO_MIDNIGHT}' for left in range(5)
    ]
    for answer in answers:
        if answer.status_code != 202:
            refused(answer, 429, "quota_exceeded")
    for answer in accepted:
        await mira.ended(answer.json()["reply"])
    kept = [len((await mira.get(f"/chatroom/{room}/messages")).json()["items"]) for room in rooms]
    assert sum(kept) == 2 * 5
    assert len(model.asked) == 5
    assert await mira.used() == 5


async def test_each_account_has_its_own_five(mira: Person, ravi: Person, room: str) -> None:
    for _ in range(5):
        await mira.ask(room)
    assert (await ravi.say(await ravi.new_room())).status_code == 202


async def test_a_failed_reply_returns_its_message_once(mira: Person, room: str, model: ScriptedModel) -> None:
    model.on("Fail", ModelRefused("model_refused", "No."))
    for _ in range(4):
        await mira.hear(room)
    assert (await mira.hear(room, "Fail"))["status"] == "failed"
    assert await mira.used() == 4
    answer = await mira.say(room)
    assert answer.headers["ratelimit"] == f'"daily";r=0;t={NOON_TO_MIDNIGHT}'
    refused(await mira.say(room), 429, "quota_exceeded")


async def test_a_reply_that_fails_after_midnight_returns_the_quota_of_its_own_day(
    site: Site, clock: Clock, model: ScriptedModel
) -> None:
    clock.now = datetime(2026, 3, 14, 23, 59, tzinfo=UTC)
    mira = await site.person()
    room = await mira.new_room()
    gate = Gate()
    model.on("Fail", gate, ModelRefused("model_refused", "No."))
    reply = (await mira.ask(room, "Fail"))["reply"]
    await gate.reached()
    clock.forward(minutes=2)
    await mira.ask(await mira.new_room())
    gate.open()
    assert (await mira.ended(reply))["status"] == "failed"
    history = (await mira.get("/user/usage")).json()["history"]
    assert [(day["day"], day["used"]) for day in history[:2]] == [("2026-03-15", 1), ("2026-03-14", 0)]


async def test_a_stopped_reply_returns_nothing(mira: Person, room: str, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", "one", gate)
    reply = (await mira.ask(room))["reply"]
    await gate.reached()
    assert (await mira.post(f"{address(reply)}/stop")).json()["status"] == "stopped"
    assert await mira.used() == 1


async def test_a_refused_message_costs_nothing(mira: Person, room: str) -> None:
    refused(await mira.say(room, ""), 400, "invalid_input", "content")
    refused(await mira.say(room, model="no/such"), 400, "unknown_model", "model")
    refused(await mira.say("00000000-0000-7000-8000-000000000000"), 404, "chatroom_not_found")
    assert await mira.used() == 0


def token_quota(used: int, resets_at: str) -> dict[str, Any]:
    """Of a plan without a limit."""
    return {"used": used, "reserved": 0, "limit": None, "remaining": None, "resets_at": resets_at}


async def test_both_usage_routes_count_the_messages(mira: Person, room: str) -> None:
    for _ in range(3):
        await mira.hear(room)
    usage = (await mira.get("/user/usage")).json()
    assert (await mira.get("/chatroom/usage")).json() == usage
    history = usage.pop("history")
    assert usage == {
        "plan": "basic",
        "day": "2026-03-14",
        "used": 3,
        "limit": 5,
        "remaining": 2,
        "resets_at": "2026-03-15T00:00:00Z",
        "tokens": {"input": 1 + 3 + 5, "output": 3 * 7, "estimated": 0},
        "cost_usd": None,
        "token_quota": {
            "day": token_quota(30, "2026-03-15T00:00:00Z"),
            "month": token_quota(30, "2026-04-01T00:00:00Z"),
        },
    }
    assert len(history) == 30
    assert history[0] == {"day": "2026-03-14", "used": 3, "tokens": usage["tokens"], "cost_usd": None}
    no_tokens = {"input": 0, "output": 0, "estimated": 0}
    assert history[1] == {"day": "2026-03-13", "used": 0, "tokens": no_tokens, "cost_usd": 0}
    assert history[29]["day"] == "2026-02-13"


async def test_a_pro_account_has_no_limit_and_no_headers(site: Site, mira: Person, room: str) -> None:
    await put_on(PRO, site, mira)
    answers = [await mira.say(room) for _ in range(7)]
    for answer in answers:
        assert answer.status_code == 202
        assert not {"ratelimit", "ratelimit-policy", "retry-after"} & set(answer.headers)
    usage: dict[str, Any] = (await mira.get("/user/usage")).json()
    assert usage.items() >= {"plan": "pro", "used": 7, "limit": None, "remaining": None}.items()
    assert (await mira.get("/user/me")).json()["plan"] == "pro"


async def test_messages_on_pro_count_after_the_return_to_basic(site: Site, mira: Person, room: str) -> None:
    await put_on(PRO, site, mira)
    for _ in range(7):
        await mira.ask(room)
    await put_on(None, site, mira)
    answer = await mira.say(room)
    refused(answer, 429, "quota_exceeded")
    assert quota(answer) == ('"daily";q=5;w=86400', f'"daily";r=0;t={NOON_TO_MIDNIGHT}')
    usage = (await mira.get("/user/usage")).json()
    assert usage.items() >= {"plan": "basic", "used": 7, "limit": 5, "remaining": 0}.items()


async def test_a_daily_limit_of_0_accepts_nothing(open_site: OpenSite) -> None:
    mira = await (await open_site(BASIC_DAILY_LIMIT="0")).person()
    answer = await mira.say(await mira.new_room())
    refused(answer, 429, "quota_exceeded")
    assert quota(answer) == ('"daily";q=0;w=86400', f'"daily";r=0;t={NOON_TO_MIDNIGHT}')
    assert await mira.used() == 0
