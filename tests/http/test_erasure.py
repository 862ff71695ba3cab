"""Erasing an account removes everything of it and nothing of other accounts."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.http.answers import refused
from tests.http.conftest import OpenSite
from tests.http.open_stream import open_stream
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import MIRA, RAVI, Clock, Person, Site
from tests.http.test_forgotten_password import ADDRESS, NUMBER, OLD, Who, log_in, reset, reset_code, with_password
from tests.http.test_sign_in import code_for

THOUGHT = "a thought of Mira's"
# Tables without personal data, or with hashes whose key is not in the database.
IMPERSONAL = {"revoked_sessions", "leases", "erased_usage"}


async def everything(site: Site, who: Who) -> tuple[Person, dict[str, Any]]:
    """An account with rows in every table that can have some, and its last session."""
    person = site.visitor()
    session = await with_password(site, who)
    # A used refresh token, two sessions, and unused codes and signups.
    await person.post("/auth/refresh", json={"refresh_token": session["refresh_token"]})
    session = (await log_in(person, who, OLD)).json()
    person.identify(session["access_token"])
    await person.patch("/user/me", json={"name": THOUGHT})
    assert (await person.post("/user/keys", json={"name": THOUGHT})).status_code == 201
    room = await person.new_room(THOUGHT, instructions=THOUGHT)
    await person.ended((await person.ask(room, THOUGHT, key=THOUGHT))["reply"])
    assert (await person.post(f"/chatroom/{room}/share")).status_code == 201
    await code_for(person, who)
    await reset_code(person, who)
    assert (await person.post("/auth/signup", json=who | {"name": THOUGHT, "password": OLD})).status_code == 201
    return person, session


async def send_erasure(person: Person, **proof: str) -> httpx.Response:
    """Without `proof` there is no body."""
    return await person.request("DELETE", "/user/me", json=proof or None)


async def erase(person: Person, **proof: str) -> None:
    answer = await send_erasure(person, **proof)
    assert (answer.status_code, answer.content) == (204, b"")


async def personal_rows(site: Site) -> dict[str, list[Any]]:
    return {name: rows for name, rows in (await site.rows()).items() if name not in IMPERSONAL}


@pytest.mark.parametrize("who", [NUMBER, ADDRESS], ids=lambda who: next(iter(who)))
async def test_no_table_has_a_trace_of_the_account_and_others_are_unchanged(site: Site, ravi: Person, who: Who) -> None:
    room = await ravi.new_room("Ravi's")
    await ravi.hear(room)
    await code_for(ravi, {"mobile_number": RAVI})
    before = await personal_rows(site)
    person, session = await everything(site, who)
    filled = {name for name, rows in (await personal_rows(site)).items() if rows != before[name]}
    assert filled >= {
        "accounts",
        "code_challenges",
        "signups",
        "sessions",
        "refresh_tokens",
        "api_keys",
        "usage_days",
        "rooms",
        "messages",
        "idempotency_keys",
        "shares",
    }
    await erase(person, current_password=OLD)
    assert await personal_rows(site) == before
    left = repr(await site.rows())
    assert not [word for word in (session["user"]["id"], THOUGHT, *who.values()) if word in left]
    assert (await ravi.get(f"/chatroom/{room}")).status_code == 200
    assert (await ravi.get("/user/usage")).json()["used"] == 1


async def test_a_new_account_of_the_identity_is_empty(site: Site) -> None:
    person, session = await everything(site, NUMBER)
    await erase(person, current_password=OLD)
    refused(await log_in(site.visitor(), NUMBER, OLD), 401, "credentials_invalid")
    anew = site.visitor()
    again = await anew.sign_in(MIRA)
    assert again["created"] is True
    assert again["user"]["id"] != session["user"]["id"]
    assert again["user"].items() >= {"mobile_number": MIRA, "name": None, "password_set": False}.items()
    assert (await anew.get("/chatroom")).json() == {"items": [], "next_cursor": None}
    # Only what was used today counts on.
    assert await anew.used() == 1
    assert len((await anew.get("/auth/sessions")).json()["items"]) == 1


async def test_old_tokens_are_refused_even_after_the_identity_signs_up_again(site: Site) -> None:
    first = await with_password(site, NUMBER)
    person, last = await everything(site, NUMBER)
    stream_url = (await person.ask(await person.new_room()))["stream_url"]
    await erase(person, current_password=OLD)
    for _ in ("gone", "come back"):
        for session in (first, last):
            device = site.visitor()
            refused(await device.get(stream_url), 401, "token_invalid")
            answer = await device.post("/auth/refresh", json={"refresh_token": session["refresh_token"]})
            refused(answer, 401, "refresh_token_invalid")
            device.identify(session["access_token"])
            refused(await device.get("/user/me"), 401, "token_invalid")
            refused(await device.post("/chatroom", json={"name": "Mine"}), 401, "token_invalid")
            refused(await device.delete("/user/me"), 401, "token_invalid")
        await site.person()
    assert len((await site.rows())["accounts"]) == 1


async def test_old_codes_and_signups_are_void(site: Site, mira: Person) -> None:
    visitor = site.visitor()
    signup = (await visitor.post("/auth/signup", json=NUMBER | {"password": OLD})).json()["signup_token"]
    code, for_reset = await code_for(visitor, NUMBER), await reset_code(visitor, NUMBER)
    await erase(mira)
    refused(await visitor.post("/auth/verify-otp", json=NUMBER | {"otp": code}), 401, "otp_invalid")
    refused(await reset(visitor, NUMBER, for_reset), 401, "otp_invalid")
    body = NUMBER | {"otp": await code_for(visitor, NUMBER), "signup_token": signup}
    refused(await visitor.post("/auth/verify-otp", json=body), 400, "invalid_input", "signup_token")


async def test_the_cached_list_of_rooms_is_dropped(site: Site, mira: Person, clock: Clock) -> None:
    account = UUID((await mira.get("/user/me")).json()["id"])
    await mira.new_room(THOUGHT)
    for status in ("parley; fwd=miss", "parley; hit"):
        assert (await mira.get("/chatroom")).headers["cache-status"] == status
    await erase(mira)
    refused(await mira.get("/chatroom"), 401, "token_invalid")
    # All tokens of the account are revoked, so a token of a session that never existed reads the cache under its id.
    mira.identify(site.parley.accounts.access_tokens.issue(account, uuid4(), clock.now))
    answer = await mira.get("/chatroom")
    assert THOUGHT not in answer.text
    assert answer.headers.get("cache-status") != "parley; hit"


async def test_the_stream_of_a_running_reply_ends(site: Site, mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", "one ", gate, "two")
    accepted = await mira.ask(await mira.new_room())
    async with open_stream(site.app, accepted["stream_url"]) as stream:
        await gate.reached()
        await stream.event()
        await erase(mira)
        gate.open()
        assert [event.name for event in await stream.rest() if event.name != "delta"] == []
    refused(await site.visitor().get(accepted["stream_url"]), 401, "token_invalid")
    assert (await site.rows())["messages"] == []


async def test_pending_replies_are_never_generated(site: Site, mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", "one ", gate)
    room = await mira.new_room()
    await mira.ask(room)
    await gate.reached()
    await mira.ask(room, "And then?")
    await erase(mira)
    gate.open()
    ravi = await site.person(RAVI)
    await ravi.hear(await ravi.new_room(), "A sign of life")
    assert model.times_asked("And then?") == 0


async def test_erasing_requires_a_token(site: Site, mira: Person) -> None:
    refused(await site.visitor().delete("/user/me"), 401, "token_invalid")
    await erase(mira)
    refused(await mira.delete("/user/me"), 401, "token_invalid")


async def test_a_fresh_code_is_proof_for_10_minutes(site: Site, mira: Person, clock: Clock) -> None:
    clock.forward(minutes=10, seconds=1)
    problem = refused(await send_erasure(mira), 400, "proof_required")
    assert "current_password" in problem["detail"]
    refused(await send_erasure(mira, current_password=OLD), 401, "credentials_invalid")
    assert (await mira.get("/user/me")).status_code == 200
    await mira.sign_in(MIRA)
    clock.forward(minutes=10)
    await erase(mira)


async def test_a_session_opened_by_password_needs_the_password_again(site: Site) -> None:
    await with_password(site, NUMBER)
    person = site.visitor()
    person.identify((await log_in(person, NUMBER, OLD)).json()["access_token"])
    refused(await send_erasure(person), 400, "proof_required")
    refused(await send_erasure(person, current_password="wrong"), 401, "credentials_invalid")
    refused(await send_erasure(person, password=OLD), 400, "invalid_input", "password")
    assert (await person.get("/user/me")).status_code == 200
    await erase(person, current_password=OLD)


async def test_guesses_of_the_password_are_limited(open_site: OpenSite) -> None:
    site = await open_site()
    await with_password(site, NUMBER)
    person = site.visitor()
    person.identify((await log_in(person, NUMBER, OLD)).json()["access_token"])
    answers = [await send_erasure(person, current_password="wrong") for _ in range(7)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
