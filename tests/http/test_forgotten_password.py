"""Resetting a forgotten password with a code, which ends all sessions."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.http.answers import refused
from tests.http.site import MIRA, RAVI, Clock, Person, Site
from tests.http.test_sign_in import code_for, other_than

OLD, NEW = "correct horse battery staple", "a quite different sentence"
NUMBER, ADDRESS = {"mobile_number": MIRA}, {"email": "mira@example.com"}
IDENTITIES = pytest.mark.parametrize("who", [NUMBER, ADDRESS], ids=lambda who: next(iter(who)))
Who = dict[str, str]


async def with_password(site: Site, who: Who, address: str = "127.0.0.1") -> dict[str, Any]:
    """Create an account with the old password; returns its first session."""
    visitor = site.visitor(address)
    signup = await visitor.post("/auth/signup", json=who | {"password": OLD})
    body = who | {"otp": await code_for(visitor, who), "signup_token": signup.json()["signup_token"]}
    answer = await visitor.post("/auth/verify-otp", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def reset_code(person: Person, who: Who) -> str:
    answer = await person.post("/auth/forgot-password", json=who)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"message", "challenge", "expires_in", "resend_in", "otp"}
    return answer.json()["otp"]


async def reset(person: Person, who: Who, code: str, password: str = NEW) -> httpx.Response:
    return await person.post("/auth/reset-password", json=who | {"otp": code, "new_password": password})


async def log_in(person: Person, who: Who, password: str) -> httpx.Response:
    return await person.post("/auth/login", json=who | {"password": password})


@IDENTITIES
async def test_a_reset_sets_a_new_password_that_works(site: Site, who: Who) -> None:
    account = (await with_password(site, who))["user"]
    visitor = site.visitor()
    answer = await reset(visitor, who, await reset_code(visitor, who))
    assert answer.status_code == 200
    assert "access_token" not in answer.json()
    signed_in = await log_in(visitor, who, NEW)
    assert signed_in.status_code == 200
    assert signed_in.json()["user"] == account
    refused(await log_in(visitor, who, OLD), 401, "credentials_invalid")


@IDENTITIES
async def test_a_reset_ends_every_session_of_the_account_and_no_other(site: Site, who: Who) -> None:
    ravi = await site.person(RAVI)
    opened = [await with_password(site, who), (await log_in(site.visitor(), who, OLD)).json()]
    code = await reset_code(ravi, who)
    assert (await reset(ravi, who, code)).status_code == 200
    for session in opened:
        device = site.visitor()
        device.identify(session["access_token"])
        refused(await device.get("/user/me"), 401, "token_invalid")
        answer = await device.post("/auth/refresh", json={"refresh_token": session["refresh_token"]})
        refused(answer, 401, "refresh_token_invalid")
    assert (await ravi.get("/user/me")).status_code == 200


async def test_a_reset_sets_the_first_password_of_an_account(site: Site, mira: Person) -> None:
    visitor = site.visitor()
    assert (await reset(visitor, NUMBER, await reset_code(visitor, NUMBER))).status_code == 200
    signed_in = await log_in(visitor, NUMBER, NEW)
    assert signed_in.json()["user"]["password_set"] is True


async def test_a_code_resets_once(site: Site) -> None:
    await with_password(site, NUMBER)
    visitor = site.visitor()
    code = await reset_code(visitor, NUMBER)
    assert (await reset(visitor, NUMBER, code)).status_code == 200
    refused(await reset(visitor, NUMBER, code, "yet another sentence"), 401, "otp_invalid")
    assert (await log_in(visitor, NUMBER, NEW)).status_code == 200


async def test_one_of_thirty_concurrent_resets_succeeds(site: Site) -> None:
    await with_password(site, NUMBER)
    visitor = site.visitor()
    code = await reset_code(visitor, NUMBER)
    passwords = [f"{NEW} {number}" for number in range(30)]
    answers = await asyncio.gather(*(reset(visitor, NUMBER, code, password) for password in passwords))
    [winner] = [password for password, answer in zip(passwords, answers, strict=True) if answer.status_code == 200]
    losers = [answer for answer in answers if answer.status_code != 200]
    assert len(losers) == 29
    assert len({refused(answer, 401, "otp_invalid")["detail"] for answer in losers}) == 1
    assert (await log_in(visitor, NUMBER, winner)).status_code == 200
    loser = next(password for password in passwords if password != winner)
    refused(await log_in(visitor, NUMBER, loser), 401, "credentials_invalid")


async def test_a_code_is_valid_for_its_own_purpose_only(site: Site) -> None:
    await with_password(site, NUMBER)
    visitor = site.visitor()
    for_sign_in, for_reset = await code_for(visitor, NUMBER), await reset_code(visitor, NUMBER)
    if for_sign_in != for_reset:
        refused(await reset(visitor, NUMBER, for_sign_in), 401, "otp_invalid")
        refused(await visitor.post("/auth/verify-otp", json=NUMBER | {"otp": for_reset}), 401, "otp_invalid")
    assert (await reset(visitor, NUMBER, for_reset)).status_code == 200
    assert (await visitor.post("/auth/verify-otp", json=NUMBER | {"otp": for_sign_in})).status_code == 200


async def wrong(visitor: Person, clock: Clock) -> str:
    return other_than(await reset_code(visitor, NUMBER))


async def spent(visitor: Person, clock: Clock) -> str:
    code = await reset_code(visitor, NUMBER)
    assert (await reset(visitor, NUMBER, code)).status_code == 200
    return code


async def expired(visitor: Person, clock: Clock) -> str:
    code = await reset_code(visitor, NUMBER)
    clock.forward(minutes=10)
    return code


async def exhausted(visitor: Person, clock: Clock) -> str:
    code = await reset_code(visitor, NUMBER)
    for _ in range(5):
        refused(await reset(visitor, NUMBER, other_than(code)), 401, "otp_invalid")
    return code


async def voided(visitor: Person, clock: Clock) -> str:
    code = await reset_code(visitor, NUMBER)
    while await reset_code(visitor, NUMBER) == code:
        """One time in a million."""
    return code


async def never_sent(visitor: Person, clock: Clock) -> str:
    return "123456"


async def test_every_invalid_code_gets_the_same_answer_and_changes_nothing(site: Site, clock: Clock) -> None:
    await with_password(site, NUMBER)
    answers = {}
    # `spent` sets the password NEW, so the refused requests try to set another one.
    for number, fault in enumerate((never_sent, wrong, expired, exhausted, voided, spent)):
        # In a network of its own, where earlier failures do not count.
        visitor = site.visitor(f"198.51.{number}.1")
        code = await fault(visitor, clock)
        answers[fault.__name__] = await reset(visitor, NUMBER, code, "a password of somebody else")
        refused(answers[fault.__name__], 401, "otp_invalid")
        right = NEW if fault is spent else OLD
        assert (await log_in(visitor, NUMBER, right)).status_code == 200, fault.__name__
    assert len({answer.content for answer in answers.values()}) == 1


async def test_a_code_is_valid_until_its_last_second_and_fifth_try(site: Site, clock: Clock) -> None:
    await with_password(site, NUMBER)
    visitor = site.visitor()
    code = await reset_code(visitor, NUMBER)
    for _ in range(4):
        refused(await reset(visitor, NUMBER, other_than(code)), 401, "otp_invalid")
    clock.forward(minutes=10, seconds=-1)
    assert (await reset(visitor, NUMBER, code)).status_code == 200


async def test_a_reset_creates_no_account(site: Site) -> None:
    visitor = site.visitor()
    code = await reset_code(visitor, NUMBER)
    refused(await reset(visitor, NUMBER, code), 401, "otp_invalid")
    assert (await site.rows())["accounts"] == []
    refused(await log_in(visitor, NUMBER, NEW), 401, "credentials_invalid")


REFUSED_PASSWORDS = [
    (NUMBER, "seven77"),
    (NUMBER, "x" * 129),
    (NUMBER, "eight888\x00"),
    (NUMBER, "password123"),
    (NUMBER, "PassWord123"),
    (NUMBER, "iloveyou"),
    (NUMBER, MIRA),
    (NUMBER, "919876543210"),
    (NUMBER, "98765 43210"),
    (NUMBER, "Parley2026"),
    (ADDRESS, "mira@example.com"),
    (ADDRESS, "MIRA@EXAMPLE.COM"),
    (ADDRESS, "mira-mira"),
]


async def test_a_refused_password_leaves_the_code_valid(site: Site, subtests: pytest.Subtests) -> None:
    for who in (NUMBER, ADDRESS):
        await with_password(site, who)
    visitor = site.visitor()
    codes = {str(who): await reset_code(visitor, who) for who in (NUMBER, ADDRESS)}
    for who, password in REFUSED_PASSWORDS:
        with subtests.test(who=who, password=password[:20]):
            before = await site.rows()
            refused(await reset(visitor, who, codes[str(who)], password), 400, "invalid_input", "new_password")
            assert await site.rows() == before
    for who in (NUMBER, ADDRESS):
        assert (await reset(visitor, who, codes[str(who)])).status_code == 200


async def test_the_same_passwords_are_refused_at_signup(site: Site, subtests: pytest.Subtests) -> None:
    for who, password in REFUSED_PASSWORDS:
        with subtests.test(who=who, password=password[:20]):
            answer = await site.visitor().post("/auth/signup", json=who | {"password": password})
            refused(answer, 400, "invalid_input", "password")


async def test_a_refused_password_reveals_nothing_about_the_code(site: Site) -> None:
    await with_password(site, NUMBER)
    visitor = site.visitor()
    code = await reset_code(visitor, NUMBER)
    answers = [await reset(visitor, NUMBER, each, "iloveyou") for each in (code, other_than(code))]
    assert answers[0].content == answers[1].content
