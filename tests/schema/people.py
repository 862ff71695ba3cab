"""Who calls while Schemathesis runs, and what they have: codes, tokens, chatrooms, replies."""

import os
from collections.abc import Callable
from functools import cache
from typing import Any, Self
from uuid import uuid4

import httpx

# No generated identity is it, so that no generated reset ends its sessions.
OWN_EMAIL = "schemathesis@parley.invalid"
PASSWORD = "only for these tests"


class Person(httpx.Client):
    """One who calls, signed in or not."""

    session_id = ""

    @property
    def token(self) -> str:
        return self.headers["Authorization"].removeprefix("Bearer ")

    def told(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def sign_in(self, email: str, **more: str) -> Self:
        code = self.told("/auth/send-otp", email=email)["otp"]
        given = self.told("/auth/verify-otp", email=email, otp=code, **more)
        self.headers["Authorization"] = f"Bearer {given['access_token']}"
        newest = self.get("/auth/sessions", params={"limit": 1}).json()["items"][0]
        assert newest["current"]
        self.session_id = newest["id"]
        return self

    def new_reply(self) -> dict[str, str]:
        """A chatroom and the reply in it, by the names of path parameters."""
        room = self.told("/chatroom", name="Of these tests")["id"]
        reply = self.told(f"/chatroom/{room}/message", content="Hello")["reply"]["id"]
        return {"chatroom_id": room, "message_id": reply}


@cache
def pool() -> httpx.HTTPTransport:
    return httpx.HTTPTransport()


def visitor() -> Person:
    return Person(base_url=os.environ["SCHEMA_ADDRESS"], timeout=60, transport=pool())


@cache
def owner() -> Person:
    """The account that calls nearly everything."""
    return visitor().sign_in(OWN_EMAIL)


@cache
def with_password() -> dict[str, str]:
    email = f"{uuid4()}@parley.invalid"
    signup_token = visitor().told("/auth/signup", email=email, password=PASSWORD)["signup_token"]
    visitor().sign_in(email, signup_token=signup_token)
    return {"email": email, "password": PASSWORD}


def _code(body: dict[str, Any]) -> None:
    body["otp"] = visitor().told("/auth/send-otp", **_who(body))["otp"]
    body.pop("signup_token", None)


def _reset_code(body: dict[str, Any]) -> None:
    who = _who(body)
    code = visitor().told("/auth/send-otp", **who)["otp"]
    visitor().told("/auth/verify-otp", otp=code, **who)
    body["otp"] = visitor().told("/auth/forgot-password", **who)["otp"]


def _refresh_token(body: dict[str, Any]) -> None:
    email = f"{uuid4()}@parley.invalid"
    code = visitor().told("/auth/send-otp", email=email)["otp"]
    body["refresh_token"] = visitor().told("/auth/verify-otp", email=email, otp=code)["refresh_token"]


def _login(body: dict[str, Any]) -> None:
    body.clear()
    body.update(with_password())


def _who(body: dict[str, Any]) -> dict[str, str]:
    return {name: body[name] for name in ("email", "mobile_number") if body.get(name) is not None}


PROOFS: dict[str, Callable[[dict[str, Any]], None]] = {
    "verifyOtp": _code,
    "resetPassword": _reset_code,
    "refresh": _refresh_token,
    "logIn": _login,
}
