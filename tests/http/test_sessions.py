"""Listing and ending the sessions of an account."""

import shutil
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.http.answers import events, refused
from tests.http.document import Document
from tests.http.scripted_model import ScriptedModel
from tests.http.site import MIRA, Clock, Person, Site, opened, wired

FIELDS = {"id", "current", "opened_by", "user_agent", "created_at", "last_used_at", "expires_at"}


@dataclass(frozen=True)
class Device:
    """A device on which Mira is signed in, with its tokens."""

    person: Person
    visitor: Person
    id: str
    refresh_token: str
    stream_url: str

    async def calls(self) -> list[httpx.Response]:
        """One call each with the access token, a stream ticket, and the refresh token, which is used up by that."""
        return [
            await self.person.get("/user/me"),
            await self.visitor.get(self.stream_url),
            await self.visitor.post("/auth/refresh", json={"refresh_token": self.refresh_token}),
        ]

    async def works(self) -> None:
        answers = await self.calls()
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert events(answers[1])[-1].name == "done"

    async def is_out(self) -> None:
        answers = await self.calls()
        for answer, code in zip(answers, ("token_invalid", "token_invalid", "refresh_token_invalid"), strict=True):
            refused(answer, 401, code)

    def at(self, site: Site) -> "Device":
        """The same device after a restart."""
        person = site.visitor()
        person.identify(self.person.token)
        return replace(self, person=person, visitor=site.visitor())


async def listed(person: Person) -> list[dict[str, Any]]:
    answer = await person.get("/auth/sessions")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def device(site: Site, user_agent: bytes = b"A device") -> Device:
    person = site.visitor()
    person.headers.update([(b"User-Agent", user_agent)])
    refresh_token = (await person.sign_in(MIRA))["refresh_token"]
    accepted = await person.ask(await person.new_room())
    await person.ended(accepted["reply"])
    [own] = [each for each in await listed(person) if each["current"]]
    return Device(person, site.visitor(), own["id"], refresh_token, accepted["stream_url"])


@pytest.fixture
async def phone(site: Site) -> Device:
    return await device(site, b"Phone")


@pytest.fixture
async def laptop(site: Site) -> Device:
    return await device(site, b"Laptop")


async def test_a_session_ended_from_another_device_is_refused_at_once(phone: Device, laptop: Device) -> None:
    answer = await laptop.person.delete(f"/auth/sessions/{phone.id}")
    assert (answer.status_code, answer.content) == (204, b"")
    await phone.is_out()
    await laptop.works()


async def test_logging_out_ends_this_session_alone(phone: Device, laptop: Device) -> None:
    answer = await phone.person.post("/auth/logout")
    assert (answer.status_code, answer.content) == (204, b"")
    await phone.is_out()
    await laptop.works()


async def test_a_device_may_end_its_own_session_by_its_id(phone: Device, laptop: Device) -> None:
    assert (await phone.person.delete(f"/auth/sessions/{phone.id}")).status_code == 204
    await phone.is_out()
    await laptop.works()


async def test_logging_out_twice_is_refused(phone: Device) -> None:
    assert (await phone.person.post("/auth/logout")).status_code == 204
    refused(await phone.person.post("/auth/logout"), 401, "token_invalid")


async def test_logging_out_may_carry_an_empty_object(phone: Device) -> None:
    assert (await phone.person.post("/auth/logout", json={})).status_code == 204
    await phone.is_out()


async def test_an_ended_session_is_neither_listed_nor_ended_again(phone: Device, laptop: Device) -> None:
    assert {each["id"] for each in await listed(laptop.person)} == {phone.id, laptop.id}
    await phone.person.post("/auth/logout")
    assert [each["id"] for each in await listed(laptop.person)] == [laptop.id]
    refused(await laptop.person.delete(f"/auth/sessions/{phone.id}"), 404, "session_not_found")


async def test_a_session_stays_ended_after_a_restart(
    empty_database: Path, tmp_path: Path, clock: Clock, model: ScriptedModel, document: Document
) -> None:
    file = Path(shutil.copy(empty_database, tmp_path / "restarted.db"))
    async with opened(wired(file, clock, model), clock, model, document) as site:
        phone, laptop = await device(site), await device(site)
        await laptop.person.delete(f"/auth/sessions/{phone.id}")
    async with opened(wired(file, clock, model), clock, model, document) as site:
        await phone.at(site).is_out()
        await laptop.at(site).works()


async def test_an_expired_session_is_neither_listed_nor_ended(phone: Device, site: Site, clock: Clock) -> None:
    clock.forward(days=30)
    laptop = await device(site)
    assert [each["id"] for each in await listed(laptop.person)] == [laptop.id]
    refused(await laptop.person.delete(f"/auth/sessions/{phone.id}"), 404, "session_not_found")


async def test_the_list_says_when_and_how_each_session_was_opened_and_used(site: Site, clock: Clock) -> None:
    phone = await device(site, b"Phone")
    clock.forward(minutes=5)
    refreshed = await phone.person.post("/auth/refresh", json={"refresh_token": phone.refresh_token})
    assert refreshed.status_code == 200
    clock.forward(minutes=1)
    laptop = await device(site, b"Laptop")
    second, first = await listed(laptop.person)
    assert set(first) == set(second) == FIELDS
    assert (second["id"], second["current"], second["user_agent"]) == (laptop.id, True, "Laptop")
    assert (first["id"], first["current"], first["user_agent"]) == (phone.id, False, "Phone")
    assert first["opened_by"] == second["opened_by"] == "code"
    opened, used, expires = (
        datetime.fromisoformat(first[name]) for name in ("created_at", "last_used_at", "expires_at")
    )
    assert ((used - opened).total_seconds(), (expires - used).days) == (300, 30)
    assert second["created_at"] == second["last_used_at"] == clock.now.isoformat().replace("+00:00", "Z")


async def test_each_device_sees_itself_as_the_current_one(phone: Device, laptop: Device) -> None:
    for each in (phone, laptop):
        assert [session["id"] for session in await listed(each.person) if session["current"]] == [each.id]


async def test_a_sign_in_by_password_is_listed_as_one(site: Site, phone: Device) -> None:
    password = "correct horse battery staple"
    assert (await phone.person.post("/auth/change-password", json={"new_password": password})).status_code == 200
    answer = await phone.person.post("/auth/login", json={"mobile_number": MIRA, "password": password})
    assert answer.status_code == 200
    by_password, by_code = await listed(phone.person)
    assert (by_password["opened_by"], by_code["opened_by"]) == ("password", "code")
    assert (by_password["user_agent"], by_code["id"]) == ("Phone", phone.id)


async def test_pages_of_one_hold_every_session_once(site: Site) -> None:
    devices = [await device(site) for _ in range(3)]
    person, found, cursor = devices[0].person, [], None
    while True:
        answer = await person.get("/auth/sessions", params={"limit": 1} | ({"cursor": cursor} if cursor else {}))
        page = answer.json()
        assert len(page["items"]) == 1
        found += page["items"]
        # A sign-in between two pages appears on none of the following pages.
        await site.person()
        if (cursor := page["next_cursor"]) is None:
            break
    assert [each["id"] for each in found] == [each.id for each in reversed(devices)]
    assert [each["current"] for each in found] == [False, False, True]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [({"limit": 0}, "limit"), ({"limit": 101}, "limit"), ({"cursor": "x"}, "cursor"), ({"cursor": "%00"}, "cursor")],
)
async def test_invalid_page_parameters_are_bad_input(mira: Person, parameters: dict[str, Any], field: str) -> None:
    refused(await mira.get("/auth/sessions", params=parameters), 400, "invalid_input", field)


@pytest.mark.parametrize("session_id", ["x", "1", "00000000-0000-0000-0000-00000000000g"])
async def test_an_unknown_session_is_not_found(mira: Person, session_id: str) -> None:
    assert (await mira.delete(f"/auth/sessions/{session_id}")).status_code == 404


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"", ""),
        (b"x" * 300, "x" * 300),
        (b"x" * 301, "x" * 300),
        (b"x" * 5_000, "x" * 300),
        (b"<script>alert(1)</script>'\";--", "<script>alert(1)</script>'\";--"),
        (b"\xff\xfe M\xf6bile", "\xff\xfe M\xf6bile"),
        (b"a\x00b", "ab"),
        (b"\xed\xa0\x80", "\xed\xa0\x80"),
    ],
)
async def test_the_user_agent_is_shown_sanitised(site: Site, sent: bytes, shown: str) -> None:
    [session] = await listed((await device(site, sent)).person)
    assert session["user_agent"] == shown


async def test_a_missing_user_agent_is_null(site: Site) -> None:
    person = site.visitor()
    del person.headers["User-Agent"]
    await person.sign_in(MIRA)
    [session] = await listed(person)
    assert session["user_agent"] is None
