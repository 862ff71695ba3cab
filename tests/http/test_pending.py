"""The limit on unfinished replies of an account."""

import asyncio

import httpx
import pytest

from tests.http.answers import refused
from tests.http.conftest import OpenSite
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Person, Site, until

NOON_TO_MIDNIGHT = 12 * 3_600


@pytest.fixture
async def site(open_site: OpenSite) -> Site:
    return await open_site(MAX_PENDING_REPLIES="3", BASIC_DAILY_LIMIT="100")


@pytest.fixture
def gate(model: ScriptedModel) -> Gate:
    """Every reply to «Wait» waits at this gate."""
    gate = Gate()
    model.on("Wait", gate, "done")
    return gate


async def test_a_message_above_the_pending_limit_is_refused_and_changes_nothing(
    site: Site, mira: Person, model: ScriptedModel, gate: Gate
) -> None:
    room, other = await mira.new_room("a"), await mira.new_room("b")
    for each in (room, room, other):
        await mira.ask(each, "Wait")

    async def both_rooms_are_written() -> bool:
        return model.times_asked("Wait") == 2

    await until(both_rooms_are_written)
    before = await site.rows()
    answer = await mira.say(other, "Wait")
    refused(answer, 429, "too_many_pending")
    assert int(answer.headers["retry-after"]) >= 1
    assert await site.rows() == before
    gate.open()


async def test_the_refusal_has_quota_headers(mira: Person, gate: Gate) -> None:
    room = await mira.new_room()
    for _ in range(3):
        await mira.ask(room, "Wait")
    answer = await mira.say(room, "Wait")
    gate.open()
    refused(answer, 429, "too_many_pending")
    assert answer.headers.get("ratelimit-policy") == '"daily";q=100;w=86400'
    assert answer.headers.get("ratelimit") == f'"daily";r=97;t={NOON_TO_MIDNIGHT}'


async def test_another_message_is_accepted_when_a_reply_has_ended(mira: Person, gate: Gate) -> None:
    room = await mira.new_room()
    waiting = [(await mira.ask(room, "Wait"))["reply"] for _ in range(3)]
    refused(await mira.say(room, "Wait"), 429, "too_many_pending")
    gate.open()
    for reply in waiting:
        await mira.ended(reply)
    assert (await mira.say(room, "Wait")).status_code == 202


async def test_the_pending_limit_holds_for_concurrent_messages(mira: Person, gate: Gate) -> None:
    rooms = [await mira.new_room(f"Room {number}") for number in range(4)]
    answers = await asyncio.gather(*(mira.say(rooms[turn % 4], "Wait") for turn in range(40)))
    assert counted(answers) == {202: 3, 429: 37}
    assert await mira.used() == 3
    gate.open()


async def test_each_account_has_its_own_pending_limit(mira: Person, ravi: Person, gate: Gate) -> None:
    room = await mira.new_room()
    for _ in range(3):
        await mira.ask(room, "Wait")
    assert (await ravi.say(await ravi.new_room(), "Wait")).status_code == 202
    gate.open()


def counted(answers: list[httpx.Response]) -> dict[int, int]:
    statuses = [answer.status_code for answer in answers]
    return {status: statuses.count(status) for status in sorted(set(statuses))}
