"""Signing up, signing in by password, and the account's name."""

from typing import Any

import httpx
import pytest

from tests.http.answers import refused
from tests.http.site import MIRA, RAVI, Clock, Person, Site

PASSWORD = "correct horse battery staple"
WHO = {"mobile_number": MIRA}


async def sign_up(person: Person, **asked: Any) -> str:
    answer = await person.post("/auth/signup", json=WHO | asked)
    assert answer.status_code == 201, answer.text
    assert set(answer.json()) == {"signup_token", "expires_in"}
    assert answer.json()["expires_in"] == 3_600
    return answer.json()["signup_token"]


async def verify(person: Person, signup_token: str | None, who: dict[str, str] = WHO) -> httpx.Response:
    code = (await person.post("/auth/send-otp", json=who)).json()["otp"]
    return await person.post("/auth/verify-otp", json=who | {"otp": code, "signup_token": signup_token})


async def log_in(person: Person, password: str = PASSWORD, who: dict[str, str] = WHO) -> httpx.Response:
    return await person.post("/auth/login", json=who | {"password": password})


async def test_signup_and_code_create_an_account_with_a_password(site: Site) -> None:
    visitor = site.visitor()
    verified = await verify(visitor, await sign_up(visitor, name="Mira", password=PASSWORD))
    assert verified.status_code == 200
    assert verified.json()["created"] is True
    assert verified.json()["user"].items() >= {"name": "Mira", "password_set": True}.items()

    answer = await log_in(visitor)
    assert answer.status_code == 200
    assert answer.json()["user"] == verified.json()["user"]
    assert answer.json()["created"] is False
    visitor.identify(answer.json()["access_token"])
    assert (await visitor.get("/user/me")).json() == verified.json()["user"]


async def test_signup_alone_creates_no_account(site: Site) -> None:
    visitor = site.visitor()
    await sign_up(visitor, password=PASSWORD)
    refused(await log_in(visitor), 401, "credentials_invalid")


async def test_all_wrong_credentials_get_the_same_answer(site: Site) -> None:
    visitor = site.visitor()
    await verify(visitor, await sign_up(visitor, password=PASSWORD))
    await verify(visitor, None, {"email": "no-password@example.com"})
    wrong = [
        await log_in(visitor, PASSWORD + "!"),
        await log_in(visitor, ""),
        await log_in(visitor, PASSWORD, {"mobile_number": RAVI}),
        await log_in(visitor, PASSWORD, {"email": "no-password@example.com"}),
    ]
    for answer in wrong:
        refused(answer, 401, "credentials_invalid")
    assert len({answer.content for answer in wrong}) == 1


async def test_a_signup_cannot_set_the_password_of_an_existing_account(site: Site, mira: Person) -> None:
    visitor = site.visitor()
    token = await sign_up(visitor, name="Not Mira", password=PASSWORD)
    verified = await verify(mira, token)
    assert verified.status_code == 200
    assert verified.json()["user"].items() >= {"name": None, "password_set": False}.items()
    refused(await log_in(visitor), 401, "credentials_invalid")


@pytest.mark.parametrize("case", ["unknown", "of another identity", "expired"])
async def test_an_invalid_signup_token_leaves_the_code_unspent(site: Site, clock: Clock, case: str) -> None:
    visitor = site.visitor()
    token = await sign_up(visitor, password=PASSWORD)
    who = {"mobile_number": RAVI} if case == "of another identity" else WHO
    if case == "expired":
        clock.forward(hours=1)
    code = (await visitor.post("/auth/send-otp", json=who)).json()["otp"]
    body = who | {"otp": code, "signup_token": "unknown" if case == "unknown" else token}
    refused(await visitor.post("/auth/verify-otp", json=body), 400, "invalid_input", "signup_token")
    answer = await visitor.post("/auth/verify-otp", json=who | {"otp": code})
    assert answer.status_code == 200
    assert answer.json()["user"]["password_set"] is False


NOT_FOR_ACCOUNTS = [
    ("password", ""),
    ("password", "seven77"),
    ("password", "x" * 129),
    ("password", "eight888\x00"),
    ("password", 12345678),
    ("name", ""),
    ("name", "x" * 201),
    ("name", "Mi\x00ra"),
    ("name", ["Mira"]),
    ("plan", "pro"),
]


async def test_invalid_names_and_passwords_are_refused(site: Site, subtests: pytest.Subtests) -> None:
    for field, value in NOT_FOR_ACCOUNTS:
        with subtests.test(field=field, value=str(value)[:20]):
            before = await site.rows()
            refused(await site.visitor().post("/auth/signup", json=WHO | {field: value}), 400, "invalid_input", field)
            assert await site.rows() == before


@pytest.mark.parametrize("password", ["8 chars!", "  密码 mit Leerzeichen ", "😀" * 128])
async def test_any_password_of_8_to_128_characters_is_accepted_unchanged(site: Site, password: str) -> None:
    visitor = site.visitor()
    await verify(visitor, await sign_up(visitor, password=password))
    assert (await log_in(visitor, password)).status_code == 200
    refused(await log_in(visitor, password + " "), 401, "credentials_invalid")


async def test_the_name_can_be_changed_and_removed(mira: Person) -> None:
    named = await mira.patch("/user/me", json={"name": "Mira 😀"})
    assert named.status_code == 200
    assert named.json()["name"] == "Mira 😀"
    assert (await mira.get("/user/me")).json() == named.json()
    unnamed = await mira.patch("/user/me", json={"name": None})
    assert unnamed.json() == named.json() | {"name": None}


BAD_CHANGES = [
    ({}, "name"),
    ({"name": ""}, "name"),
    ({"name": "x" * 201}, "name"),
    ({"name": "\x00"}, "name"),
    ({"name": "Mira", "plan": "pro"}, "plan"),
    ({"name": "Mira", "id": "x"}, "id"),
]


async def test_an_invalid_change_changes_nothing(site: Site, mira: Person, subtests: pytest.Subtests) -> None:
    for body, field in BAD_CHANGES:
        with subtests.test(body=str(body)[:60]):
            before = await site.rows()
            refused(await mira.patch("/user/me", json=body), 400, "invalid_input", field)
            assert await site.rows() == before
