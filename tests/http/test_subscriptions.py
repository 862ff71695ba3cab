"""Subscribing to Pro and cancelling, with the payment sandbox as the provider."""

import asyncio

import pytest

from parley.core.plans import BASIC, PRO
from tests.http.answers import refused
from tests.http.conftest import OpenSite
from tests.http.document import Document
from tests.http.paying import (
    NEVER,
    PAYING,
    checkout,
    limited,
    manage,
    override,
    pay,
    portal,
    press,
    read_subscription,
    unlimited,
    use_up,
)
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import MIRA, Clock, Person, Site

SUBSCRIBE = ["/subscribe/pro", "/subscription/pro", "/payments/subscribe/pro"]
STATUS = ["/subscription/status", "/subscribe/status", "/payments/subscription/status"]
ALL = [*(("POST", path) for path in (*SUBSCRIBE, "/subscription/portal")), *(("GET", path) for path in STATUS)]


@pytest.fixture
async def site(open_site: OpenSite) -> Site:
    return await open_site(BASIC_DAILY_LIMIT="5")


async def test_account_without_subscription_has_basic_and_nothing_to_manage(site: Site, mira: Person) -> None:
    before = await site.rows()
    assert await read_subscription(mira) == NEVER
    refused(await mira.post("/subscription/portal"), 409, "not_subscribed")
    assert await site.rows() == before
    await checkout(mira)
    assert await read_subscription(mira) == NEVER


@pytest.mark.parametrize(("method", "path"), ALL)
async def test_every_endpoint_requires_a_token(site: Site, method: str, path: str) -> None:
    refused(await site.visitor().request(method, path), 401, "token_invalid")


async def test_paying_lifts_the_limit_at_once(site: Site, mira: Person, room: str) -> None:
    await use_up(mira, room)
    limited(await mira.say(room))
    await pay(site, mira)
    for _ in range(3):
        unlimited(await mira.say(room))
    assert await read_subscription(mira) == PAYING
    assert (await mira.get("/user/me")).json()["plan"] == "pro"


async def test_cancelled_subscription_lasts_to_the_end_of_its_period(site: Site, mira: Person, clock: Clock) -> None:
    await pay(site, mira)
    await manage(site, mira, "cancel")
    assert await read_subscription(mira) == PAYING | {"cancel_at_period_end": True}
    refused(await mira.post("/subscribe/pro"), 409, "already_subscribed")
    clock.forward(days=30, seconds=-1)
    await mira.sign_in(MIRA)
    assert (await read_subscription(mira)).items() >= {"plan": "pro", "daily_limit": None}.items()
    room = await mira.new_room()
    for _ in range(6):
        unlimited(await mira.say(room))
    clock.forward(seconds=1)
    assert (await read_subscription(mira)).items() >= {"plan": "basic", "daily_limit": 5}.items()
    limited(await mira.say(room))


async def test_cancelled_subscription_can_be_resumed(site: Site, mira: Person, clock: Clock) -> None:
    await pay(site, mira)
    await manage(site, mira, "cancel")
    await manage(site, mira, "resume")
    assert await read_subscription(mira) == PAYING
    clock.forward(days=31)
    await mira.sign_in(MIRA)
    assert (await read_subscription(mira))["plan"] == "pro"


async def test_immediate_cancellation_counts_for_the_next_message(site: Site, mira: Person, room: str) -> None:
    await pay(site, mira)
    for _ in range(5):
        unlimited(await mira.say(room))
    await manage(site, mira, "cancel-now")
    limited(await mira.say(room))
    assert (await read_subscription(mira)).items() >= {"plan": "basic", "status": "canceled", "daily_limit": 5}.items()
    await pay(site, mira)
    unlimited(await mira.say(room))
    assert await read_subscription(mira) == PAYING


async def test_parallel_and_later_calls_return_the_same_page(mira: Person, clock: Clock) -> None:
    pages = await asyncio.gather(*(checkout(mira) for _ in range(10)))
    clock.forward(minutes=10)
    pages.append(await checkout(mira))
    assert all(page == pages[0] for page in pages)
    assert pages[0]["checkout_url"].endswith(pages[0]["session_id"])


async def test_subscribed_account_cannot_subscribe_again(site: Site, mira: Person) -> None:
    await pay(site, mira)
    before = await site.rows()
    for path in SUBSCRIBE:
        refused(await mira.post(path), 409, "already_subscribed")
    assert await site.rows() == before


async def test_aliases_answer_the_same_and_are_deprecated(site: Site, mira: Person, document: Document) -> None:
    pages = [(await mira.post(path)).json() for path in SUBSCRIBE]
    assert pages[1:] == [pages[0]] * 2
    await pay(site, mira)
    assert [(await mira.get(path)).json() for path in STATUS] == [PAYING] * 3
    paths = document.content["paths"]
    subscribe = [path.replace("/pro", "/{plan}") for path in SUBSCRIBE]
    for (first, *others), method in ((subscribe, "post"), (STATUS, "get")):
        assert not paths[first][method].get("deprecated", False)
        assert all(paths[path][method]["deprecated"] for path in others)


async def test_operators_plan_wins_over_payments(site: Site, mira: Person, room: str) -> None:
    await override(site, mira, PRO)
    await use_up(mira, room)
    unlimited(await mira.say(room))
    assert await read_subscription(mira) == NEVER | {"plan": "pro", "daily_limit": None}
    refused(await mira.post("/subscribe/pro"), 409, "plan_overridden")
    await override(site, mira, None)
    await pay(site, mira)
    await override(site, mira, BASIC)
    limited(await mira.say(room))
    assert await read_subscription(mira) == PAYING | {"plan": "basic", "daily_limit": 5}
    await override(site, mira, None)
    unlimited(await mira.say(room))


@pytest.mark.parametrize(("settings", "days"), [({}, 7), ({"SUBSCRIPTION_GRACE_DAYS": "2"}, 2)])
async def test_past_due_is_pro_during_the_grace_and_basic_afterwards(
    open_site: OpenSite, clock: Clock, settings: dict[str, str], days: int
) -> None:
    site = await open_site(BASIC_DAILY_LIMIT="5", **settings)
    mira = await site.person()
    await pay(site, mira)
    await manage(site, mira, "fail")
    assert await read_subscription(mira) == PAYING | {"status": "past_due"}
    clock.forward(days=days, seconds=-1)
    await mira.sign_in(MIRA)
    # Another failed payment does not restart the grace.
    await manage(site, mira, "fail")
    room = await mira.new_room()
    for _ in range(6):
        unlimited(await mira.say(room))
    clock.forward(seconds=1)
    limited(await mira.say(room))
    assert await read_subscription(mira) == PAYING | {"plan": "basic", "status": "past_due", "daily_limit": 5}
    refused(await mira.post("/subscribe/pro"), 409, "already_subscribed")
    await manage(site, mira, "settle")
    unlimited(await mira.say(room))


async def test_pending_replies_are_limited_on_pro_too(open_site: OpenSite, model: ScriptedModel) -> None:
    site = await open_site(MAX_PENDING_REPLIES="3", BASIC_DAILY_LIMIT="0")
    gate = Gate()
    model.on("Wait", gate, "done")
    mira = await site.person()
    await pay(site, mira)
    room = await mira.new_room()
    for _ in range(3):
        unlimited(await mira.say(room, "Wait"))
    answer = await mira.say(room, "Wait")
    gate.open()
    refused(answer, 429, "too_many_pending")
    assert int(answer.headers["retry-after"]) >= 1
    assert not {"ratelimit", "ratelimit-policy"} & set(answer.headers)


async def test_payment_changes_only_its_own_account(site: Site, mira: Person, ravi: Person) -> None:
    page = await checkout(ravi)
    await pay(site, mira)
    await use_up(ravi, room := await ravi.new_room())
    limited(await ravi.say(room))
    await press(site, page["checkout_url"], "pay")
    await manage(site, ravi, "cancel-now")
    assert await read_subscription(mira) == PAYING


async def test_usage_has_messages_and_tokens_by_day_and_no_limit_on_pro(
    site: Site, mira: Person, room: str, clock: Clock
) -> None:
    await pay(site, mira)
    await use_up(mira, room)
    clock.forward(days=1)
    await mira.sign_in(MIRA)
    for _ in range(2):
        await mira.hear(await mira.new_room())
    for path in ("/user/usage", "/chatroom/usage"):
        usage = (await mira.get(path)).json()
        today, yesterday, *rest = usage.pop("history")
        quota = usage.pop("token_quota")
        assert (quota["day"]["used"], quota["month"]["used"], quota["month"]["limit"]) == (16, 16 + 60, None)
        assert usage == {
            "plan": "pro",
            "day": "2026-03-15",
            "used": 2,
            "limit": None,
            "remaining": None,
            "resets_at": "2026-03-16T00:00:00Z",
            "tokens": {"input": 1 + 1, "output": 2 * 7, "estimated": 0},
            "cost_usd": None,
        }
        assert today == {"day": "2026-03-15", "used": 2, "tokens": usage["tokens"], "cost_usd": None}
        tokens = {"input": 1 + 3 + 5 + 7 + 9, "output": 5 * 7, "estimated": 0}
        assert yesterday == {"day": "2026-03-14", "used": 5, "tokens": tokens, "cost_usd": None}
        assert len(rest) == 28
        assert not any(day["used"] or any(day["tokens"].values()) for day in rest)


@pytest.mark.parametrize(
    ("settings", "pages", "back"),
    [
        ({}, "http://parley.test/sandbox/", "http://parley.test/chat?checkout={}&"),
        ({"CHAT_PAGE": "off"}, "http://parley.test/sandbox/", "http://parley.test/checkout/{}?"),
        (
            {"PUBLIC_URL": "https://api.example/v1/"},
            "https://api.example/v1/sandbox/",
            "https://api.example/v1/chat?checkout={}&",
        ),
        (
            {"PUBLIC_URL": "https://api.example/v1/", "CHAT_PAGE": "off"},
            "https://api.example/v1/sandbox/",
            "https://api.example/v1/checkout/{}?",
        ),
        (
            {"FRONTEND_URL": "https://app.example/me"},
            "http://parley.test/sandbox/",
            "https://app.example/me?checkout={}&",
        ),
    ],
)
async def test_payments_return_to_the_frontend_or_to_this_server(
    open_site: OpenSite, settings: dict[str, str], pages: str, back: str
) -> None:
    site = await open_site(**settings)
    mira = await site.person()
    page = await checkout(mira)
    url = page["checkout_url"]
    assert url == f"{pages}checkout/{page['session_id']}"
    path = url.removeprefix(pages.removesuffix("/sandbox/"))
    assert str(await press(site, path, "cancel")) == back.format("cancelled").rstrip("?&")
    assert str(await press(site, path, "pay")) == f"{back.format('done')}session_id={page['session_id']}"
    assert (await portal(mira)).startswith(f"{pages}portal/")
