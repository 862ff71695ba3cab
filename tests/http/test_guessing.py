"""Many concurrent guesses and uses of stolen tokens."""

import asyncio
from typing import Any

import httpx
import pytest

from parley.adapters.sql.engine.tables import code_challenges
from tests.http.answers import refused
from tests.http.site import MIRA, RAVI, Clock, Person, Site
from tests.http.test_forgotten_password import NEW, NUMBER, OLD, log_in, reset, reset_code, with_password
from tests.http.test_refresh import refresh
from tests.http.test_sign_in import code_for

TRIES = [column.name for column in code_challenges.columns].index("tries")


async def verify(person: Person, code: str) -> httpx.Response:
    return await person.post("/auth/verify-otp", json=NUMBER | {"otp": code})


async def tries(site: Site) -> list[int]:
    return [row[TRIES] for row in (await site.rows())["code_challenges"]]


def wrong_codes(right: str, count: int) -> list[str]:
    return [f"{(int(right) + number) % 1_000_000:06d}" for number in range(1, count + 1)]


async def is_out(person: Person, access_token: str) -> None:
    person.identify(access_token)
    refused(await person.get("/user/me"), 401, "token_invalid")


async def test_five_of_200_concurrent_guesses_are_compared(site: Site) -> None:
    visitor = site.visitor()
    code = await code_for(visitor, NUMBER)
    assert await tries(site) == [0]
    answers = await asyncio.gather(*(verify(visitor, guess) for guess in wrong_codes(code, 200)))
    # After 50 failures the address is refused.
    assert sorted(answer.status_code for answer in answers) == [401] * 50 + [429] * 150
    assert len({answer.content for answer in answers}) == 2
    assert await tries(site) == [5]
    refused(await verify(site.visitor("192.0.2.1"), code), 401, "otp_invalid")
    assert (await site.rows())["accounts"] == []


async def test_five_of_200_concurrent_guesses_at_a_reset_code_are_compared(site: Site) -> None:
    await with_password(site, NUMBER)
    visitor = site.visitor()
    code = await reset_code(visitor, NUMBER)
    answers = await asyncio.gather(*(reset(visitor, NUMBER, guess) for guess in wrong_codes(code, 200)))
    assert {answer.status_code for answer in answers} == {401, 429}
    assert 5 in await tries(site)
    assert max(await tries(site)) == 5
    refused(await reset(site.visitor("192.0.2.1"), NUMBER, code), 401, "otp_invalid")
    visitor = site.visitor("192.0.2.1")
    assert (await log_in(visitor, NUMBER, OLD)).status_code == 200


async def test_the_right_code_works_only_within_the_first_five_tries(site: Site) -> None:
    visitor = site.visitor()
    code = await code_for(visitor, NUMBER)
    for guess in wrong_codes(code, 4):
        refused(await verify(visitor, guess), 401, "otp_invalid")
    assert (await verify(visitor, code)).status_code == 200
    assert await tries(site) == [5]


async def test_one_of_200_concurrent_sign_ins_with_the_right_code_succeeds(site: Site) -> None:
    visitor = site.visitor()
    code = await code_for(visitor, NUMBER)
    answers = await asyncio.gather(*(verify(visitor, code) for _ in range(200)))
    assert [answer.status_code for answer in answers].count(200) == 1
    rows = await site.rows()
    assert (len(rows["accounts"]), len(rows["sessions"]), len(rows["refresh_tokens"])) == (1, 1, 1)


async def test_after_five_failures_a_new_code_is_delayed_and_its_later_tries_end(site: Site, clock: Clock) -> None:
    visitor = site.visitor()
    early = [(await visitor.post("/auth/send-otp", json=NUMBER)).json() for _ in range(2)]
    for number in range(6):
        body = NUMBER | {"otp": "no code", "challenge": early[0]["challenge"]}
        refused(await visitor.post("/auth/verify-otp", json=body), 401, "otp_invalid")
        assert max(await tries(site)) == min(number + 1, 5)
    answer = await visitor.post("/auth/send-otp", json=NUMBER)
    refused(answer, 429, "rate_limited")
    assert 0 < int(answer.headers["retry-after"]) <= 60
    # The first try of a challenge is always allowed, and others ask for codes in their own networks.
    body = NUMBER | {"otp": early[1]["otp"], "challenge": early[1]["challenge"]}
    assert (await site.visitor("192.0.2.1").post("/auth/verify-otp", json=body)).status_code == 200
    assert (await site.visitor("198.51.100.1").post("/auth/send-otp", json=NUMBER)).status_code == 200


async def test_password_guesses_delay_their_own_network_only(site: Site) -> None:
    session = await with_password(site, NUMBER)
    spellings = (MIRA, "+91 98765 43210", "(+91) 98765-43210", "00919876543210")

    async def guess(number: int) -> httpx.Response:
        """A guess that a busy server refuses counts nothing, and is made again."""
        visitor, who = site.visitor(f"192.0.2.{number}"), {"mobile_number": spellings[number % 4]}
        while (answer := await log_in(visitor, who, f"guess {number}")).status_code == 503:
            pass
        return answer

    answers = await asyncio.gather(*map(guess, range(60)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 55
    for answer in answers:
        refused(answer, answer.status_code, "credentials_invalid" if answer.status_code == 401 else "rate_limited")
    # In that network even the right password is refused, except on a known device.
    there = site.visitor("192.0.2.99")
    refused(await log_in(there, NUMBER, OLD), 429, "rate_limited")
    known = await there.post("/auth/login", json=NUMBER | {"password": OLD, "device_token": session["device_token"]})
    assert known.json()["device_token"] == session["device_token"]
    assert (await log_in(site.visitor("198.51.100.1"), NUMBER, OLD)).status_code == 200
    refused(await log_in(there, {"mobile_number": RAVI}, OLD), 401, "credentials_invalid")


@pytest.mark.parametrize(
    ("same", "other"),
    [
        ("192.0.2.200", "192.0.3.1"),
        ("::ffff:192.0.2.200", "::ffff:192.0.3.1"),
    ],
)
async def test_networks_of_ipv4_are_blocks_of_256_addresses(site: Site, same: str, other: str) -> None:
    await blocks_are(site, "192.0.2.1", same, other)


async def test_networks_of_ipv6_are_48_bits(site: Site) -> None:
    await blocks_are(site, "2001:db8:1:2::3", "2001:db8:1:ffff::1", "2001:db8:2:2::3")


async def blocks_are(site: Site, here: str, same: str, other: str) -> None:
    await with_password(site, NUMBER)
    for _ in range(5):
        refused(await log_in(site.visitor(here), NUMBER, "a guess"), 401, "credentials_invalid")
    refused(await log_in(site.visitor(same), NUMBER, OLD), 429, "rate_limited")
    assert (await log_in(site.visitor(other), NUMBER, OLD)).status_code == 200


async def test_fifty_concurrent_refreshes_of_one_token_return_the_same_token(site: Site) -> None:
    visitor = site.visitor()
    session = await visitor.sign_in(MIRA)
    answers = await asyncio.gather(*(refresh(visitor, session["refresh_token"]) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    [successor] = {answer.json()["refresh_token"] for answer in answers}
    rows = await site.rows()
    assert (len(rows["sessions"]), len(rows["refresh_tokens"])) == (1, 2)
    assert (await refresh(visitor, successor)).status_code == 200


async def thief_after_the_grace(visitor: Person, session: dict[str, Any], clock: Clock) -> list[str]:
    pair = (await refresh(visitor, session["refresh_token"])).json()
    clock.forward(seconds=10, microseconds=1)
    refused(await refresh(visitor, session["refresh_token"]), 401, "refresh_token_invalid")
    return [pair["access_token"]]


async def thief_once_the_successor_was_used(visitor: Person, session: dict[str, Any], clock: Clock) -> list[str]:
    first = (await refresh(visitor, session["refresh_token"])).json()
    second = (await refresh(visitor, first["refresh_token"])).json()
    refused(await refresh(visitor, session["refresh_token"]), 401, "refresh_token_invalid")
    return [first["access_token"], second["access_token"]]


@pytest.mark.parametrize(
    "theft", [thief_after_the_grace, thief_once_the_successor_was_used], ids=lambda theft: theft.__name__
)
async def test_a_reused_token_ends_only_its_session_at_once(site: Site, clock: Clock, theft: Any) -> None:
    visitor, elsewhere = site.visitor(), await site.person()
    session = await visitor.sign_in(MIRA)
    later = await theft(visitor, session, clock)
    for access_token in (session["access_token"], *later):
        await is_out(visitor, access_token)
    assert (await elsewhere.get("/user/me")).status_code == 200
    assert len((await elsewhere.get("/auth/sessions")).json()["items"]) == 1


async def test_a_repeat_at_the_end_of_the_grace_ends_nothing(site: Site, clock: Clock) -> None:
    visitor = site.visitor()
    session = await visitor.sign_in(MIRA)
    first = (await refresh(visitor, session["refresh_token"])).json()
    clock.forward(seconds=10)
    again = await refresh(visitor, session["refresh_token"])
    assert again.json()["refresh_token"] == first["refresh_token"]
    visitor.identify(again.json()["access_token"])
    assert (await visitor.get("/user/me")).status_code == 200


async def test_fifty_concurrent_reuses_end_the_session_once(site: Site, clock: Clock) -> None:
    visitor = site.visitor()
    session = await visitor.sign_in(MIRA)
    pair = (await refresh(visitor, session["refresh_token"])).json()
    clock.forward(seconds=11)
    answers = await asyncio.gather(*(refresh(visitor, session["refresh_token"]) for _ in range(50)))
    for answer in answers:
        refused(answer, 401, "refresh_token_invalid")
    await is_out(visitor, pair["access_token"])
    assert len((await site.rows())["revoked_sessions"]) == 1


async def test_guesses_at_one_identity_do_not_affect_another(site: Site) -> None:
    visitor = site.visitor()
    code = await code_for(visitor, NUMBER)
    guesses = asyncio.gather(*(verify(visitor, guess) for guess in wrong_codes(code, 200)))
    assert (await site.visitor("198.51.100.1").sign_in(RAVI))["created"] is True
    await guesses
    assert (await reset(site.visitor("198.51.100.1"), NUMBER, code, NEW)).status_code == 401
