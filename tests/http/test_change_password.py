"""Changing the password: the required proof, and the end of all other sessions."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.http.answers import refused
from tests.http.conftest import OpenSite
from tests.http.site import MIRA, RAVI, Clock, Person, Site
from tests.http.test_forgotten_password import NEW, NUMBER, OLD, log_in, reset, reset_code, with_password

WRONG = "not the password at all"


async def change(person: Person, new: str = NEW, **current: Any) -> httpx.Response:
    return await person.post("/auth/change-password", json={"new_password": new} | current)


async def owner(site: Site) -> Person:
    """Mira, whose account has the old password, in a session that a code has just opened."""
    session = await with_password(site, NUMBER)
    person = site.visitor()
    person.identify(session["access_token"])
    return person


async def signed_in(site: Site, password: str = OLD) -> Person:
    """Mira, in a session that the password opened."""
    person = site.visitor()
    answer = await log_in(person, NUMBER, password)
    assert answer.status_code == 200, answer.text
    person.identify(answer.json()["access_token"])
    return person


async def test_the_current_password_permits_a_change(site: Site, clock: Clock) -> None:
    mira = await owner(site)
    clock.forward(minutes=14)
    assert (await change(mira, current_password=OLD)).status_code == 200
    refused(await log_in(site.visitor(), NUMBER, OLD), 401, "credentials_invalid")
    assert (await log_in(site.visitor(), NUMBER, NEW)).status_code == 200


@pytest.mark.parametrize("left_out", [{}, {"current_password": None}], ids=["left out", "null"])
async def test_a_code_of_the_last_ten_minutes_replaces_the_current_password(
    site: Site, clock: Clock, left_out: dict[str, None]
) -> None:
    mira = await owner(site)
    clock.forward(minutes=10)
    assert (await change(mira, **left_out)).status_code == 200
    assert (await log_in(site.visitor(), NUMBER, NEW)).status_code == 200


async def test_a_code_of_eleven_minutes_ago_does_not_replace_it(site: Site, clock: Clock) -> None:
    mira = await owner(site)
    clock.forward(minutes=10, seconds=1)
    before = await site.rows()
    refused(await change(mira), 400, "invalid_input", "current_password")
    assert await site.rows() == before


async def test_a_refresh_does_not_renew_the_proof_by_code(site: Site, clock: Clock) -> None:
    session = await with_password(site, NUMBER)
    clock.forward(minutes=10, seconds=1)
    visitor = site.visitor()
    pair = (await visitor.post("/auth/refresh", json={"refresh_token": session["refresh_token"]})).json()
    visitor.identify(pair["access_token"])
    refused(await change(visitor), 400, "invalid_input", "current_password")


async def test_a_session_that_the_password_opened_needs_it_again(site: Site) -> None:
    await owner(site)
    mira = await signed_in(site)
    refused(await change(mira), 400, "invalid_input", "current_password")
    assert (await change(mira, current_password=OLD)).status_code == 200


async def test_an_account_without_password_sets_its_first_by_a_code(site: Site, mira: Person, clock: Clock) -> None:
    refused(await change(mira, current_password=""), 401, "credentials_invalid")
    refused(await change(mira, current_password=OLD), 401, "credentials_invalid")
    assert (await mira.get("/user/me")).json()["password_set"] is False
    assert (await change(mira)).status_code == 200
    assert (await mira.get("/user/me")).json()["password_set"] is True


async def test_a_wrong_current_password_changes_nothing_even_after_a_code(site: Site) -> None:
    mira = await owner(site)
    before = await site.rows()
    for current in (WRONG, "", OLD.upper(), f"{OLD} "):
        refused(await change(mira, current_password=current), 401, "credentials_invalid")
    after = await site.rows()
    del before["guess_failures"], after["guess_failures"]
    assert after == before


async def test_every_other_session_ends_and_this_one_stays(site: Site, ravi: Person) -> None:
    session = await with_password(site, NUMBER)
    this, others = await signed_in(site), [await signed_in(site), site.visitor()]
    others[1].identify(session["access_token"])
    assert (await change(this, current_password=OLD)).status_code == 200
    for other in others:
        refused(await other.get("/user/me"), 401, "token_invalid")
    answer = await this.post("/auth/refresh", json={"refresh_token": session["refresh_token"]})
    refused(answer, 401, "refresh_token_invalid")
    [remaining] = (await this.get("/auth/sessions")).json()["items"]
    assert (remaining["current"], remaining["opened_by"]) == (True, "password")
    assert (await this.get("/user/me")).status_code == (await ravi.get("/user/me")).status_code == 200


@pytest.mark.parametrize("new", ["seven77", "x" * 129, "iloveyou", "PassWord123", MIRA, "(987) 654-3210", "parley1"])
async def test_a_refused_password_changes_nothing(site: Site, new: str) -> None:
    mira = await owner(site)
    before = await site.rows()
    for current in ({}, {"current_password": OLD}, {"current_password": WRONG}):
        refused(await change(mira, new, **current), 400, "invalid_input", "new_password")
    assert await site.rows() == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"current_password": OLD}, "new_password"),
        ({"new_password": None}, "new_password"),
        ({"new_password": NEW, "current_password": 1}, "current_password"),
        ({"new_password": NEW, "current_password": "x" * 1_025}, "current_password"),
        ({"new_password": NEW, "mobile_number": MIRA}, "mobile_number"),
    ],
)
async def test_an_invalid_body_is_bad_input(mira: Person, body: dict[str, Any], field: str) -> None:
    refused(await mira.post("/auth/change-password", json=body), 400, "invalid_input", field)


async def test_guesses_at_the_current_password_are_delayed(site: Site, clock: Clock) -> None:
    mira, ravi = await owner(site), await site.person(RAVI)
    for _ in range(5):
        refused(await change(mira, current_password=WRONG), 401, "credentials_invalid")
    for current in (WRONG, OLD):
        answer = await change(mira, current_password=current)
        refused(answer, 429, "rate_limited")
        assert int(answer.headers["retry-after"]) == 60
    # Logins and other accounts have counts of their own.
    assert (await log_in(site.visitor("192.0.2.9"), NUMBER, OLD)).status_code == 200
    refused(await change(ravi, current_password=WRONG), 401, "credentials_invalid")
    clock.forward(minutes=1)
    assert (await change(mira, current_password=OLD)).status_code == 200


async def test_password_attempts_of_an_hour_are_limited(open_site: OpenSite) -> None:
    site = await open_site(PASSWORD_ATTEMPTS_PER_HOUR="3")
    await owner(site)
    answers = [await log_in(site.visitor(), NUMBER, OLD) for _ in range(5)]
    assert 429 in {answer.status_code for answer in answers}


async def test_one_of_several_concurrent_changes_succeeds(site: Site) -> None:
    await owner(site)
    devices = [await signed_in(site) for _ in range(5)]
    passwords = [f"{NEW} {number}" for number in range(5)]
    answers = await asyncio.gather(
        *(change(device, new, current_password=OLD) for device, new in zip(devices, passwords, strict=True))
    )
    [winner] = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    assert {answer.status_code for answer in answers} == {200, 401}
    assert (await log_in(site.visitor(), NUMBER, passwords[winner])).status_code == 200
    assert [(await device.get("/user/me")).status_code == 200 for device in devices].count(True) == 1


async def test_sessions_from_before_a_reset_change_nothing(site: Site) -> None:
    mira = await owner(site)
    visitor = site.visitor()
    assert (await reset(visitor, NUMBER, await reset_code(visitor, NUMBER))).status_code == 200
    refused(await change(mira, "yet another sentence"), 401, "token_invalid")
    assert (await log_in(visitor, NUMBER, NEW)).status_code == 200
