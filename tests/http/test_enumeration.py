"""No response reveals whether an identity has an account, without its code or password."""

import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.http.conftest import OpenSite
from tests.http.document import Document
from tests.http.scripted_model import ScriptedModel
from tests.http.site import MIRA, RAVI, Clock, Site, opened, wired
from tests.http.test_forgotten_password import NEW, with_password

Who = dict[str, str]
WRONG = "a wrong password"
# Requests with a wrong code or password, requests for a code, and invalid requests.
CALLS: list[tuple[str, dict[str, str], int]] = [
    ("/auth/signup", {}, 201),
    ("/auth/signup", {"name": "Not Mira", "password": NEW}, 201),
    ("/auth/signup", {"password": "password123"}, 400),
    ("/auth/send-otp", {}, 200),
    ("/auth/verify-otp", {"otp": "no code"}, 401),
    ("/auth/verify-otp", {"otp": "no code", "signup_token": "x"}, 401),
    ("/auth/login", {"password": WRONG}, 401),
    ("/auth/login", {"password": ""}, 401),
    ("/auth/forgot-password", {}, 200),
    ("/auth/reset-password", {"otp": "no code", "new_password": NEW}, 401),
    ("/auth/reset-password", {"otp": "no code", "new_password": "password123"}, 400),
]
PAIRS = [
    ({"mobile_number": MIRA}, {"mobile_number": RAVI}),
    ({"email": "mira@example.com"}, {"email": "ravi@example.com"}),
]
KINDS = pytest.mark.parametrize(("known", "unknown"), PAIRS, ids=["mobile_number", "email"])
SECRETS = {"signup_token", "otp", "challenge"}
# Headers that differ in every response.
VARYING_HEADERS = {"x-request-id", "retry-after"}
ATTEMPTS = 9


def observable(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], Any]:
    """Everything observable in a response, except varying headers; of a secret only the length."""
    body = answer.json()
    assert 0 < int(answer.headers.get("retry-after", 1)) <= 3_600
    return (
        answer.status_code,
        [header for header in answer.headers.items() if header[0] not in VARYING_HEADERS],
        {name: len(value) if name in SECRETS else value for name, value in body.items()},
    )


@KINDS
async def test_identities_with_and_without_account_get_the_same_answers(
    site: Site, known: Who, unknown: Who, subtests: pytest.Subtests
) -> None:
    await with_password(site, known)
    visitor = site.visitor()
    for path, rest, status in CALLS:
        with subtests.test(path=path, rest=rest):
            # Twice, because the first call may change the state.
            for _ in range(2):
                answers = [await visitor.post(path, json=who | rest) for who in (known, unknown)]
                assert answers[0].status_code == status
                assert observable(answers[0]) == observable(answers[1])


@KINDS
async def test_an_account_without_a_password_looks_the_same(site: Site, known: Who, unknown: Who) -> None:
    visitor = site.visitor()
    code = (await visitor.post("/auth/send-otp", json=known)).json()["otp"]
    assert (await visitor.post("/auth/verify-otp", json=known | {"otp": code})).json()["created"] is True
    for path, rest, status in CALLS:
        answers = [await visitor.post(path, json=who | rest) for who in (known, unknown)]
        assert answers[0].status_code == status
        assert observable(answers[0]) == observable(answers[1])


@KINDS
async def test_right_reset_code_without_account_looks_like_a_wrong_code_with_one(
    site: Site, known: Who, unknown: Who
) -> None:
    await with_password(site, known)
    visitor = site.visitor()
    codes = [(await visitor.post("/auth/forgot-password", json=who)).json()["otp"] for who in (known, unknown)]
    answers = [
        await visitor.post("/auth/reset-password", json=who | {"otp": code, "new_password": NEW})
        for who, code in ((known, "no code"), (unknown, codes[1]))
    ]
    assert answers[0].status_code == 401
    assert observable(answers[0]) == observable(answers[1])


@KINDS
@pytest.mark.parametrize(
    ("path", "rest", "status", "times"),
    [
        # One of the seven signups and one of the four codes are used up by the setup.
        ("/auth/signup", {}, 201, 6),
        ("/auth/signup", {"password": "password123"}, 400, ATTEMPTS),
        ("/auth/login", {"password": WRONG}, 401, 5),
        ("/auth/send-otp", {}, 200, 3),
        ("/auth/forgot-password", {}, 200, 3),
        ("/auth/verify-otp", {"otp": "no code"}, 401, ATTEMPTS),
        ("/auth/reset-password", {"otp": "no code", "new_password": NEW}, 401, ATTEMPTS),
    ],
)
async def test_both_are_rate_limited_after_the_same_number_of_calls(
    open_site: OpenSite, known: Who, unknown: Who, path: str, rest: dict[str, str], status: int, times: int
) -> None:
    site = await open_site(PASSWORD_ATTEMPTS_PER_HOUR="7", OTP_MAX_SENDS_PER_HOUR="4")
    await with_password(site, known, "192.0.2.100")
    elsewhere = site.visitor("192.0.2.101")
    for spent in ("/auth/signup", "/auth/send-otp"):
        assert (await elsewhere.post(spent, json=unknown)).is_success
    # Each call comes from another address of one network, so that only the limits of the identity count.
    answers = [
        [await site.visitor(f"192.0.2.{number}").post(path, json=who | rest) for number in range(ATTEMPTS)]
        for who in (known, unknown)
    ]
    assert [answer.status_code for answer in answers[0]] == [status] * times + [429] * (ATTEMPTS - times)
    assert [observable(answer) for answer in answers[0]] == [observable(answer) for answer in answers[1]]


async def test_with_codes_by_mail_both_get_the_same_answer_without_a_code(
    empty_database: Path, tmp_path: Path, clock: Clock, model: ScriptedModel, document: Document
) -> None:
    file = Path(shutil.copy(empty_database, tmp_path / "restarted.db"))
    by_mail = {"OTP_SENDER": "email", "SMTP_SERVER": "127.0.0.1", "SMTP_PORT": "1", "SMTP_FROM": "codes@acme.example"}
    async with opened(wired(file, clock, model), clock, model, document) as site:
        for known, _ in PAIRS:
            await with_password(site, known)
    async with opened(wired(file, clock, model, **by_mail), clock, model, document) as site:
        visitor = site.visitor()
        for known, unknown in PAIRS:
            for path in ("/auth/send-otp", "/auth/forgot-password"):
                answers = [await visitor.post(path, json=who) for who in (known, unknown)]
                assert answers[0].status_code == (200 if "email" in known else 400)
                assert "otp" not in answers[0].json()
                assert observable(answers[0]) == observable(answers[1])
