"""One-time codes over HTTP."""

import pytest

from tests.http.answers import refused
from tests.http.conftest import OpenSite
from tests.http.site import MIRA, RAVI, Clock, Person, Site


async def code_for(person: Person, identity: dict[str, str]) -> str:
    sent = await person.post("/auth/send-otp", json=identity)
    assert sent.status_code == 200, sent.text
    return sent.json()["otp"]


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


NO_IDENTITIES = [
    ({}, "mobile_number"),
    ({"mobile_number": None, "email": None}, "mobile_number"),
    ({"mobile_number": MIRA, "email": "mira@example.com"}, "email"),
    ({"mobile_number": "98765 43210"}, "mobile_number"),
    ({"mobile_number": "call me"}, "mobile_number"),
    ({"mobile_number": "+" + "9" * 60}, "mobile_number"),
    ({"mobile_number": 919876543210}, "mobile_number"),
    ({"email": "mira"}, "email"),
    ({"email": "mira@localhost"}, "email"),
    ({"email": f"{'m' * 250}@example.com"}, "email"),
    ({"email": "mira\x00@example.com"}, "email"),
]


async def test_an_identity_is_exactly_one_readable_number_or_address(site: Site, subtests: pytest.Subtests) -> None:
    for identity, field in NO_IDENTITIES:
        with subtests.test(identity=str(identity)[:60]):
            visitor = site.visitor()
            for path, rest in (
                ("/auth/send-otp", {}),
                ("/auth/verify-otp", {"otp": "123456"}),
                ("/auth/signup", {}),
                ("/auth/login", {"password": "anything at all"}),
            ):
                refused(await visitor.post(path, json=identity | rest), 400, "invalid_input", field)


async def test_all_spellings_of_a_number_are_one_account(site: Site) -> None:
    visitor = site.visitor()
    ids = {
        (await visitor.sign_in(written))["user"]["id"]
        for written in ("+919876543210", "+91 98765 43210", "(+91) 98765-43210", "00919876543210", " +91.98765.43210 ")
    }
    assert len(ids) == 1


async def test_all_spellings_of_an_address_are_one_account(site: Site) -> None:
    visitor = site.visitor()
    users = []
    for email in ("Mira@Example.com", " mira@example.com"):
        answer = await visitor.post(
            "/auth/verify-otp", json={"email": email, "otp": await code_for(visitor, {"email": email})}
        )
        users.append(answer.json()["user"])
    assert users[0] == users[1]
    assert users[0]["email"] == "mira@example.com"
    assert users[0]["mobile_number"] is None


async def test_only_the_first_sign_in_creates_the_account(site: Site) -> None:
    visitor = site.visitor()
    first, second = await visitor.sign_in(MIRA), await visitor.sign_in(MIRA)
    assert (first["created"], second["created"]) == (True, False)
    assert first["user"] == second["user"]


async def test_identities_with_and_without_account_get_the_same_answers(site: Site, mira: Person) -> None:
    visitor = site.visitor()
    known, unknown = {"mobile_number": MIRA}, {"mobile_number": RAVI}
    sent = [(await visitor.post("/auth/send-otp", json=who)).json() for who in (known, unknown)]
    for each in sent:
        del each["otp"], each["challenge"]
    assert sent[0] == sent[1]
    for path, rest in (("/auth/verify-otp", {"otp": "x"}), ("/auth/login", {"password": "a wrong password"})):
        answers = [await visitor.post(path, json=who | rest) for who in (known, unknown)]
        assert answers[0].status_code == answers[1].status_code == 401
        assert answers[0].content == answers[1].content
    signups = [await visitor.post("/auth/signup", json=who) for who in (known, unknown)]
    assert [answer.status_code for answer in signups] == [201, 201]
    assert signups[0].json().keys() == signups[1].json().keys() == {"signup_token", "expires_in"}


async def test_a_code_works_once(site: Site) -> None:
    visitor = site.visitor()
    body = {"mobile_number": MIRA, "otp": await code_for(visitor, {"mobile_number": MIRA})}
    assert (await visitor.post("/auth/verify-otp", json=body)).status_code == 200
    refused(await visitor.post("/auth/verify-otp", json=body), 401, "otp_invalid")


async def test_a_code_lasts_ten_minutes(site: Site, clock: Clock) -> None:
    visitor = site.visitor()
    body = {"mobile_number": MIRA, "otp": await code_for(visitor, {"mobile_number": MIRA})}
    clock.forward(minutes=10)
    refused(await visitor.post("/auth/verify-otp", json=body), 401, "otp_invalid")


async def test_five_wrong_tries_use_a_code_up(site: Site) -> None:
    visitor = site.visitor()
    code = await code_for(visitor, {"mobile_number": MIRA})
    for _ in range(5):
        answer = await visitor.post("/auth/verify-otp", json={"mobile_number": MIRA, "otp": other_than(code)})
        refused(answer, 401, "otp_invalid")
    refused(await visitor.post("/auth/verify-otp", json={"mobile_number": MIRA, "otp": code}), 401, "otp_invalid")


async def test_a_new_code_voids_the_one_before(site: Site) -> None:
    visitor = site.visitor()
    first = await code_for(visitor, {"mobile_number": MIRA})
    second = await code_for(visitor, {"mobile_number": MIRA})
    if first != second:
        refused(await visitor.post("/auth/verify-otp", json={"mobile_number": MIRA, "otp": first}), 401, "otp_invalid")
    answer = await visitor.post("/auth/verify-otp", json={"mobile_number": MIRA, "otp": second})
    assert answer.status_code == 200


async def test_a_code_is_for_one_identity(site: Site) -> None:
    visitor = site.visitor()
    code = await code_for(visitor, {"mobile_number": MIRA})
    refused(await visitor.post("/auth/verify-otp", json={"mobile_number": RAVI, "otp": code}), 401, "otp_invalid")


NO_CODES = ["", "x", "12345", "1234567", "१२३४५६", "\x00", "x" * 64]


async def test_a_malformed_code_is_a_wrong_code(site: Site, subtests: pytest.Subtests) -> None:
    for number, otp in enumerate(NO_CODES):
        with subtests.test(otp=otp):
            visitor = site.visitor(f"198.51.{number}.1")
            await code_for(visitor, {"mobile_number": MIRA})
            refused(
                await visitor.post("/auth/verify-otp", json={"mobile_number": MIRA, "otp": otp}), 401, "otp_invalid"
            )


async def test_the_next_code_waits_a_minute(open_site: OpenSite) -> None:
    visitor = (await open_site(OTP_RESEND_SECONDS="60")).visitor()
    await code_for(visitor, {"mobile_number": MIRA})
    answer = await visitor.post("/auth/send-otp", json={"mobile_number": "+91 98765 43210"})
    refused(answer, 429, "rate_limited")
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert (await visitor.post("/auth/send-otp", json={"mobile_number": RAVI})).status_code == 200


async def test_codes_of_one_identity_are_limited_per_hour(open_site: OpenSite) -> None:
    visitor = (await open_site(OTP_MAX_SENDS_PER_HOUR="2")).visitor()
    for _ in range(2):
        await code_for(visitor, {"mobile_number": MIRA})
    answer = await visitor.post("/auth/send-otp", json={"mobile_number": MIRA})
    refused(answer, 429, "rate_limited")
    assert 3_590 < int(answer.headers["retry-after"]) <= 3_600


async def test_a_code_with_the_device_token_answers_the_same_token(site: Site) -> None:
    visitor, who = site.visitor(), {"mobile_number": MIRA}
    answer = await visitor.post("/auth/verify-otp", json=who | {"otp": await code_for(visitor, who)})
    device = {"device_token": answer.json()["device_token"]}
    for given in (device, {}):
        sent = (await visitor.post("/auth/send-otp", json=who | given)).json()
        body = who | device | {"otp": sent["otp"], "challenge": sent["challenge"]}
        assert (await visitor.post("/auth/verify-otp", json=body)).json()["device_token"] == device["device_token"]
    assert len((await site.rows())["known_devices"]) == 1
