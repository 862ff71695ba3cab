"""Many concurrent guesses and uses of stolen tokens."""

import asyncio
from typing import Any

import httpx
import pytest

from parley.adapters.sql.engine.tables import challenges
from tests.http.answers import refused
from tests.http.conftest import OpenSite
from tests.http.site import MIRA, RAVI, Clock, Person, Site
from tests.http.test_forgotten_password import NEW, NUMBER, OLD, log_in, reset, reset_code, with_password
from tests.http.test_refresh import refresh
from tests.http.test_sign_in import code_for

TRIES = [column.name for column in challenges.columns].index("tries")


async def verify(person: Person, code: str) -> httpx.Response:
    return await person.post("/auth/verify-otp", json=NUMBER | {"otp": code})


async def tries(site: Site) -> list[int]:
    return [row[TRIES] for row in (await site.rows())["challenges"]]


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
    for answer in answers:
        refused(answer, 401, "otp_invalid")
    assert len({answer.content for answer in answers}) == 1
    assert await tries(site) == [5]
    refused(await verify(visitor, code), 401, "otp_invalid")
    assert (await site.rows())["accounts"] == []


async def test_five_of_200_concurrent_guesses_at_a_reset_code_are_compared(site: Site) -> None:
    await with_password(site, NUMBER)
    visitor = site.visitor()
    code = await reset_code(visitor, NUMBER)
    answers = await asyncio.gather(*(reset(visitor, NUMBER, guess) for guess in wrong_codes(code, 200)))
    assert {answer.status_code for answer in answers} == {401}
    assert 5 in await tries(site)
    assert max(await tries(site)) == 5
    refused(await reset(visitor, NUMBER, code), 401, "otp_invalid")
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
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 199
    rows = await site.rows()
    assert (len(rows["accounts"]), len(rows["sessions"]), len(rows["refresh_tokens"])) == (1, 1, 1)


async def test_new_codes_give_five_tries_each_up_to_the_hourly_limit(open_site: OpenSite) -> None:
    site = await open_site(OTP_MAX_SENDS_PER_HOUR="3")
    visitor, compared = site.visitor(), 0
    while (sent := await visitor.post("/auth/send-otp", json=NUMBER)).status_code == 200:
        code = sent.json()["otp"]
        await asyncio.gather(*(verify(visitor, guess) for guess in wrong_codes(code, 20)))
        compared += sum(await tries(site))
    refused(sent, 429, "rate_limited")
    assert compared == 15


async def test_password_guesses_from_all_addresses_are_limited_per_hour(open_site: OpenSite) -> None:
    site = await open_site(AUTH_REQUESTS_PER_MINUTE="7")
    await with_password(site, NUMBER)
    spellings = (MIRA, "+91 98765 43210", "(+91) 98765-43210", "00919876543210")
    answers = await asyncio.gather(
        *(
            log_in(site.visitor(f"192.0.2.{number}"), {"mobile_number": spellings[number % 4]}, f"guess {number}")
            for number in range(60)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [401] * 7 + [429] * 53
    for answer in answers:
        refused(answer, answer.status_code, "credentials_invalid" if answer.status_code == 401 else "rate_limited")
    # Then even the right password is refused, but a code still works.
    answer = await log_in(site.visitor(), NUMBER, OLD)
    refused(answer, 429, "rate_limited")
    assert 3_500 < int(answer.headers["retry-after"]) <= 3_600
    assert (await site.visitor("198.51.100.1").sign_in(MIRA))["created"] is False
    refused(await log_in(site.visitor("198.51.100.2"), {"mobile_number": RAVI}, OLD), 401, "credentials_invalid")


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
    assert (await site.visitor().sign_in(RAVI))["created"] is True
    await guesses
    assert (await reset(visitor, NUMBER, code, NEW)).status_code == 401
