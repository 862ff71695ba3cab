"""The audit trail in the logs: every event has its line, without identities and secrets."""

import re
from collections.abc import Mapping
from typing import Any

import httpx
import jwt
import pytest

from parley.core.accounts.model import AuditEvent
from tests.http.answers import refused
from tests.http.conftest import Logs, OpenSite
from tests.http.site import Clock, Person, Site
from tests.http.test_forgotten_password import ADDRESS, NEW, NUMBER, OLD, Who
from tests.http.test_logs import written
from tests.http.test_sign_in import other_than

EVENTS = {event_kind.value for event_kind in AuditEvent}
HERE = "192.0.2.77"
SECRETS = (
    "mobile_number",
    "email",
    "otp",
    "password",
    "new_password",
    "current_password",
    "signup_token",
    "access_token",
    "refresh_token",
)
WARNINGS = {
    "sign_in_failed",
    "reset_failed",
    "change_failed",
    "erasure_failed",
    "token_reused",
    "refresh_failed",
    "throttled",
    "token_refused",
}


class AuditedCaller:
    """Makes requests, compares their audit lines with the expected ones, and collects the secrets and pseudonyms."""

    def __init__(self, person: Person, logs: Logs) -> None:
        self.person = person
        self._logs = logs
        self.secrets: set[str] = set()
        self.pseudonyms: set[str] = set()

    async def call(self, method: str, path: str, body: Any, *expected: Mapping[str, Any]) -> httpx.Response:
        """The response. `expected` are the lines, without the fields that every line has."""
        answer, lines = await self._called(method, path, body)
        assert lines == list(expected)
        return answer

    async def post(self, path: str, body: Mapping[str, Any], *expected: Mapping[str, Any]) -> httpx.Response:
        return await self.call("POST", path, body, *expected)

    async def opened(self, path: str, body: Mapping[str, Any], how: str) -> dict[str, Any]:
        """Sign in, and check the line with the ids of the new session."""
        answer, lines = await self._called("POST", path, body)
        assert answer.status_code == 200, answer.text
        session = answer.json()
        assert lines == [line("signed_in", how, **of(session))]
        assert session["user"]["id"] == lines[0]["account_id"]
        return session

    async def _called(self, method: str, path: str, body: Any) -> tuple[httpx.Response, list[dict[str, Any]]]:
        before = len(self._logs)
        answer = await self.person.request(method, path, json=body)
        self._remember(body)
        if answer.content:
            self._remember(answer.json())
        entries = [entry for entry in self._logs[before:] if entry["event"] in EVENTS]
        return answer, [self._read(dict(entry), answer) for entry in entries]

    def _read(self, entry: dict[str, Any], answer: httpx.Response) -> dict[str, Any]:
        """The fields of the line that not every line has."""
        assert entry.pop("request_id") == answer.headers["x-request-id"]
        assert entry.pop("log_level") == ("warning" if entry["event"] in WARNINGS else "info")
        assert entry.pop("address") == HERE
        self.pseudonyms |= {entry.pop("identity")} if "identity" in entry else set()
        return entry

    def _remember(self, body: Any) -> None:
        self.secrets |= {body[name] for name in SECRETS if isinstance(body, dict) and body.get(name)}


def line(event: str, how: str | None = None, **facts: str) -> dict[str, str]:
    return {"event": event} | facts | ({} if how is None else {"how": how})


def of(session: Mapping[str, Any]) -> dict[str, str]:
    """The account and session of the access token, as in an audit line."""
    claims = jwt.decode(session["access_token"], options={"verify_signature": False})
    return {"account_id": claims["sub"], "session_id": claims["sid"]}


@pytest.mark.parametrize("who", [NUMBER, ADDRESS], ids=lambda who: next(iter(who)))
async def test_every_event_of_an_account_is_a_line_without_secrets(
    site: Site, logs: Logs, clock: Clock, who: Who
) -> None:
    caller, code_requested = AuditedCaller(site.visitor(HERE), logs), line("code_requested", "sign_in")
    signup = await caller.post("/auth/signup", who | {"password": OLD}, line("signed_up"))
    token = signup.json()["signup_token"]
    code = (await caller.post("/auth/send-otp", who, code_requested)).json()["otp"]
    await caller.post("/auth/verify-otp", who | {"otp": other_than(code)}, line("sign_in_failed", "code"))
    by_code = await caller.opened("/auth/verify-otp", who | {"otp": code, "signup_token": token}, "code")
    await caller.post("/auth/verify-otp", who | {"otp": code}, line("sign_in_failed", "code"))

    await caller.post("/auth/login", who | {"password": NEW}, line("sign_in_failed", "password"))
    by_password = await caller.opened("/auth/login", who | {"password": OLD}, "password")

    await caller.post("/auth/refresh", {"refresh_token": "no such token"}, line("refresh_failed"))
    await caller.post("/auth/refresh", {"refresh_token": by_code["refresh_token"]})
    clock.forward(seconds=11)
    reused = line("token_reused", **of(by_code))
    await caller.post("/auth/refresh", {"refresh_token": by_code["refresh_token"]}, reused)
    await caller.post("/auth/refresh", {"refresh_token": by_code["refresh_token"]}, line("refresh_failed"))

    code = (await caller.post("/auth/forgot-password", who, line("code_requested", "reset"))).json()["otp"]
    wrong = who | {"otp": other_than(code), "new_password": NEW}
    await caller.post("/auth/reset-password", wrong, line("reset_failed", "code"))
    account = {"account_id": by_code["user"]["id"]}
    await caller.post(
        "/auth/reset-password", who | {"otp": code, "new_password": NEW}, line("password_reset", **account)
    )

    first = await caller.opened("/auth/login", who | {"password": NEW}, "password")
    second = await caller.opened("/auth/login", who | {"password": NEW}, "password")
    caller.person.identify(first["access_token"])
    change = {"current_password": OLD, "new_password": OLD}
    await caller.post("/auth/change-password", change, line("change_failed", **of(first)))
    right = change | {"current_password": NEW}
    await caller.post("/auth/change-password", right, line("password_changed", **of(first)))
    del caller.person.headers["Authorization"]
    third = await caller.opened("/auth/login", who | {"password": OLD}, "password")
    caller.person.identify(first["access_token"])
    address = f"/auth/sessions/{of(third)['session_id']}"
    await caller.call("DELETE", address, None, line("session_ended", "ended", **of(third)))
    refused(await caller.call("DELETE", address, None), 404, "session_not_found")
    await caller.call("POST", "/auth/logout", None, line("session_ended", "logout", **of(first)))
    revoked = line("token_refused", "revoked", account_id=of(first)["account_id"])
    refused(await caller.call("POST", "/auth/logout", None, revoked), 401, "token_invalid")
    del caller.person.headers["Authorization"]
    last = await caller.opened("/auth/login", who | {"password": OLD}, "password")
    caller.person.identify(last["access_token"])
    refused(await caller.call("DELETE", "/user/me", None), 400, "proof_required")
    await caller.call("DELETE", "/user/me", {"current_password": NEW}, line("erasure_failed", **of(last)))
    await caller.call("DELETE", "/user/me", {"current_password": OLD}, line("account_erased", **account))

    # All lines about one person have the same pseudonym.
    [pseudonym] = caller.pseudonyms
    assert re.fullmatch(rf"{next(iter(who))}:[0-9a-f]{{12}}", pseudonym)
    assert {OLD, NEW, *who.values(), token, by_password["access_token"], second["refresh_token"]} <= caller.secrets
    log = written(logs)
    for secret in caller.secrets:
        # Six digits may be a part of an id or a pseudonym.
        assert not re.search(rf"(?<![\w-]){re.escape(secret)}(?![\w-])", log), secret
        assert len(secret) == 6 or secret.strip("+") not in log


async def test_two_people_have_two_pseudonyms(site: Site, logs: Logs) -> None:
    caller = AuditedCaller(site.visitor(HERE), logs)
    for who in (NUMBER, ADDRESS):
        await caller.post("/auth/send-otp", who, line("code_requested", "sign_in"))
        await caller.post("/auth/login", who | {"password": OLD}, line("sign_in_failed", "password"))
    assert len(caller.pseudonyms) == 2


async def test_a_rate_limited_request_is_a_line_too(open_site: OpenSite, logs: Logs) -> None:
    site = await open_site(OTP_MAX_SENDS_PER_HOUR="1", PASSWORD_ATTEMPTS_PER_HOUR="3")
    caller = AuditedCaller(site.visitor(HERE), logs)
    await caller.post("/auth/send-otp", NUMBER, line("code_requested", "sign_in"))
    answer = await caller.post("/auth/forgot-password", NUMBER, line("throttled", "code:reset"))
    refused(answer, 429, "rate_limited")
    for number in range(4):
        there = site.visitor(f"192.0.2.{number}")
        answer = await there.post("/auth/login", json=NUMBER | {"password": OLD})
        assert answer.status_code == (429 if number == 3 else 401)
    throttled = [entry for entry in logs if entry["event"] == "throttled"][-1]
    assert (throttled["how"], throttled["address"]) == ("password", "192.0.2.3")


async def test_a_request_refused_by_its_form_is_no_line(site: Site, logs: Logs) -> None:
    caller = AuditedCaller(site.visitor(HERE), logs)
    await caller.post("/auth/signup", NUMBER | {"password": "password123"})
    await caller.post("/auth/reset-password", NUMBER | {"otp": "123456", "new_password": "password123"})
    await caller.post("/auth/login", {"password": OLD})
    await caller.call("DELETE", "/user/me", None)
