"""A stream can be opened with its ticket or with the account's access token."""

from typing import Any

import pytest

from tests.http.answers import events, refused
from tests.http.site import Clock, Person, Site, address


@pytest.fixture
async def accepted(mira: Person) -> dict[str, Any]:
    """A message whose reply has ended."""
    accepted = await mira.ask(await mira.new_room())
    await mira.ended(accepted["reply"])
    return accepted


async def test_the_ticket_alone_opens_the_stream(site: Site, accepted: dict[str, Any]) -> None:
    assert events(await site.visitor().get(accepted["stream_url"]))[-1].name == "done"


async def test_a_stream_requires_credentials(site: Site, accepted: dict[str, Any]) -> None:
    refused(await site.visitor().get(f"{address(accepted['reply'])}/stream"), 401, "token_invalid")


async def test_the_ticket_of_another_reply_is_refused(site: Site, mira: Person, accepted: dict[str, Any]) -> None:
    other = await mira.ask(accepted["reply"]["chatroom_id"], "Something else")
    await mira.ended(other["reply"])
    ticket = other["stream_url"].partition("?")[2]
    answer = await site.visitor().get(f"{address(accepted['reply'])}/stream?{ticket}")
    refused(answer, 401, "ticket_invalid")


async def test_a_ticket_is_valid_for_ten_minutes(site: Site, clock: Clock, accepted: dict[str, Any]) -> None:
    clock.forward(seconds=599)
    assert (await site.visitor().get(accepted["stream_url"])).status_code == 200
    clock.forward(seconds=1)
    refused(await site.visitor().get(accepted["stream_url"]), 401, "ticket_invalid")


async def test_a_modified_ticket_is_refused(site: Site, accepted: dict[str, Any], subtests: pytest.Subtests) -> None:
    path, _, ticket = accepted["stream_url"].partition("?ticket=")
    for part, name in enumerate(("header", "claims", "signature")):
        with subtests.test(name):
            parts = ticket.split(".")
            middle = len(parts[part]) // 2
            other = "A" if parts[part][middle] != "A" else "B"
            parts[part] = parts[part][:middle] + other + parts[part][middle + 1 :]
            refused(await site.visitor().get(path, params={"ticket": ".".join(parts)}), 401, "ticket_invalid")


NO_TICKETS = ["", "x", "a.b.c", "..", "é", "\x00", "a" * 4096]


async def test_a_malformed_ticket_is_refused(site: Site, accepted: dict[str, Any], subtests: pytest.Subtests) -> None:
    for ticket in NO_TICKETS:
        with subtests.test(ticket=ticket[:20]):
            answer = await site.visitor().get(f"{address(accepted['reply'])}/stream", params={"ticket": ticket})
            refused(answer, 401, "ticket_invalid")


async def test_a_very_long_ticket_is_invalid_input(site: Site, accepted: dict[str, Any]) -> None:
    answer = await site.visitor().get(f"{address(accepted['reply'])}/stream", params={"ticket": "a" * 10_000})
    refused(answer, 400, "invalid_input", "ticket")


async def test_an_access_token_is_no_ticket(site: Site, mira: Person, accepted: dict[str, Any]) -> None:
    answer = await site.visitor().get(f"{address(accepted['reply'])}/stream", params={"ticket": mira.token})
    refused(answer, 401, "ticket_invalid")


async def test_a_ticket_is_no_access_token(site: Site, accepted: dict[str, Any]) -> None:
    visitor = site.visitor()
    visitor.identify(accepted["stream_url"].partition("?ticket=")[2])
    for path in (f"{address(accepted['reply'])}/stream", address(accepted["reply"]), "/user/me"):
        refused(await visitor.get(path), 401, "token_invalid")


async def test_the_accounts_own_token_opens_the_stream(mira: Person, accepted: dict[str, Any]) -> None:
    assert events(await mira.get(f"{address(accepted['reply'])}/stream"))[-1].name == "done"


async def test_the_token_of_another_account_finds_no_stream(ravi: Person, accepted: dict[str, Any]) -> None:
    refused(await ravi.get(f"{address(accepted['reply'])}/stream"), 404, "message_not_found")


@pytest.mark.parametrize("part", ["room", "reply"])
async def test_a_ticket_is_for_one_room_and_one_reply(
    site: Site, mira: Person, accepted: dict[str, Any], part: str
) -> None:
    other = await mira.new_room("Another")
    room, reply = accepted["reply"]["chatroom_id"], accepted["reply"]["id"]
    path = f"/chatroom/{other}/messages/{reply}" if part == "room" else f"/chatroom/{room}/messages/{other}"
    ticket = accepted["stream_url"].partition("?")[2]
    refused(await site.visitor().get(f"{path}/stream?{ticket}"), 401, "ticket_invalid")


async def test_the_ticket_of_a_deleted_room_finds_no_stream(site: Site, mira: Person, accepted: dict[str, Any]) -> None:
    assert (await mira.delete(f"/chatroom/{accepted['reply']['chatroom_id']}")).status_code == 204
    refused(await site.visitor().get(accepted["stream_url"]), 404, "message_not_found")


async def test_a_token_is_accepted_with_an_expired_ticket(clock: Clock, mira: Person, accepted: dict[str, Any]) -> None:
    clock.forward(minutes=11)
    assert events(await mira.get(accepted["stream_url"]))[-1].name == "done"
