"""What one account may do, open and store."""

import asyncio

import pytest

from parley.adapters.http.rate_limits.account import EXPORTS_PER_HOUR, PAYMENT_PAGES_PER_HOUR
from tests.http.answers import refused
from tests.http.conftest import Logs, OpenSite
from tests.http.open_stream import open_stream
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import RAVI, Person, address


async def test_requests_beyond_the_limit_are_refused_for_that_account_only(open_site: OpenSite, logs: Logs) -> None:
    site = await open_site(ACCOUNT_REQUESTS_PER_MINUTE="7")
    mira, ravi = await site.person(), await site.person(RAVI)
    other_device = await site.person()
    answers = await asyncio.gather(*(person.get("/user/me") for person in [mira, other_device] * 5))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [429] * 3
    for path in ("/chatroom", "/models", "/user/usage"):
        answer = await mira.get(path)
        refused(answer, 429, "rate_limited")
        assert 0 < int(answer.headers["retry-after"]) <= 60
    refused(await mira.post("/chatroom", json={"name": "A room"}), 429, "rate_limited")
    assert (await ravi.get("/user/me")).status_code == 200
    throttled = [entry for entry in logs if entry["event"] == "throttled"]
    account = (await ravi.get("/user/me")).json()["id"]
    assert {(entry["how"], entry["address"]) for entry in throttled} == {("account", "127.0.0.1")}
    assert len({entry["account_id"] for entry in throttled} - {account}) == 1


async def test_streams_count_as_requests_by_ticket_too(open_site: OpenSite, model: ScriptedModel) -> None:
    site = await open_site(ACCOUNT_REQUESTS_PER_MINUTE="4")
    mira = await site.person()
    accepted = await mira.ask(await mira.new_room())
    answers = [await site.visitor().get(accepted["stream_url"]) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


async def test_streams_of_one_account_are_limited(open_site: OpenSite, model: ScriptedModel) -> None:
    site = await open_site(MAX_OPEN_STREAMS="2")
    mira = await site.person()
    gate = Gate()
    model.on("Hello", "one ", gate)
    accepted = await mira.ask(await mira.new_room())
    reply, url = accepted["reply"], accepted["stream_url"]
    await gate.reached()
    async with open_stream(site.app, url) as first, open_stream(site.app, url) as second:
        await first.event()
        await second.event()
        refused(await mira.get(f"{address(reply)}/stream"), 429, "rate_limited")
        refused(await mira.get(address(reply), headers={"Prefer": "wait=1"}), 429, "rate_limited")
    gate.open()
    await mira.ended(reply)


async def test_a_reply_is_stopped_also_while_all_streams_are_open(open_site: OpenSite, model: ScriptedModel) -> None:
    site = await open_site(MAX_OPEN_STREAMS="1")
    mira = await site.person()
    gate = Gate()
    model.on("Hello", "one ", gate)
    accepted = await mira.ask(await mira.new_room())
    await gate.reached()
    async with open_stream(site.app, accepted["stream_url"]) as stream:
        await stream.event()
        assert (await mira.post(f"{address(accepted['reply'])}/stop")).status_code == 200
        assert (await stream.rest())[-1].name == "stopped"


async def test_rooms_of_one_account_are_limited(open_site: OpenSite) -> None:
    site = await open_site(MAX_CHATROOMS="3")
    mira, ravi = await site.person(), await site.person(RAVI)
    answers = await asyncio.gather(*(mira.post("/chatroom", json={"name": "A room"}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 3
    refused(await mira.post("/chatroom", json={"name": "A room"}), 409, "too_many_chatrooms")
    assert len((await mira.get("/chatroom")).json()["items"]) == 3
    await ravi.new_room()
    await mira.delete(f"/chatroom/{(await mira.get('/chatroom')).json()['items'][0]['id']}")
    await mira.new_room()


async def test_exports_of_one_account_are_limited(mira: Person, ravi: Person) -> None:
    answers = [await mira.get("/user/me/export") for _ in range(EXPORTS_PER_HOUR + 1)]
    assert {answer.status_code for answer in answers[:-1]} == {200}
    refused(answers[-1], 429, "rate_limited")
    assert (await ravi.get("/user/me/export")).status_code == 200


async def test_one_export_at_a_time(mira: Person) -> None:
    answers = await asyncio.gather(*(mira.get("/user/me/export") for _ in range(5)))
    assert 1 <= sum(answer.status_code == 200 for answer in answers) < 5
    assert {answer.status_code for answer in answers} == {200, 429}
    assert (await mira.get("/user/me/export")).status_code == 200


@pytest.mark.parametrize("path", ["/subscribe/pro", "/subscription/portal"])
async def test_pages_of_the_payment_provider_are_limited(mira: Person, ravi: Person, path: str) -> None:
    for _ in range(PAYMENT_PAGES_PER_HOUR):
        assert (await mira.post(path)).status_code in {200, 409}
    answer = await mira.post("/subscribe/pro")
    refused(answer, 429, "rate_limited")
    assert 0 < int(answer.headers["retry-after"]) <= 3_600
    assert (await ravi.post(path)).status_code in {200, 409}


@pytest.mark.parametrize(("path", "body"), [("/subscribe/gold", None), ("/subscribe/pro", {"price": "price_gold"})])
async def test_what_names_nothing_to_pay_uses_no_page_up(mira: Person, path: str, body: dict[str, str] | None) -> None:
    for _ in range(PAYMENT_PAGES_PER_HOUR + 1):
        assert (await mira.post(path, json=body)).status_code in {400, 404}
    assert (await mira.post("/subscribe/pro")).status_code == 200
