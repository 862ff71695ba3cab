"""The accounts of the Schemathesis run, with their codes, tokens, chatrooms and replies."""

import itertools
import os
from collections.abc import Callable
from functools import cache
from typing import Any, Self
from uuid import uuid4

import httpx

# Never generated, so that no generated password reset ends its sessions.
OWN_EMAIL = "schemathesis@parley.invalid"
PASSWORD = "only for these tests"


_networks = itertools.count()
_address = ["198.18.0.1"]


def next_address() -> str:
    """Another address for the next generated request and those that prepare it."""
    number = next(_networks) % 65_536
    _address[0] = f"198.{18 + number // 32_768}.{number // 128 % 256}.{number % 128 + 1}"
    return _address[0]


class Person(httpx.Client):
    """An HTTP client, signed in or not."""

    session_id = ""

    @property
    def token(self) -> str:
        return self.headers["Authorization"].removeprefix("Bearer ")

    def post_json(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def sign_in(self, email: str, **more: str) -> Self:
        code = self.post_json("/auth/send-otp", email=email)["otp"]
        given = self.post_json("/auth/verify-otp", email=email, otp=code, **more)
        self.headers["Authorization"] = f"Bearer {given['access_token']}"
        newest = self.get("/auth/sessions", params={"limit": 1}).json()["items"][0]
        assert newest["current"]
        self.session_id = newest["id"]
        return self

    def new_reply(self) -> dict[str, str]:
        """Path parameters of a new chatroom and a reply in it."""
        room = self.post_json("/chatroom", name="Of these tests")["id"]
        reply = self.post_json(f"/chatroom/{room}/message", content="Hello")["reply"]["id"]
        return {"chatroom_id": room, "message_id": reply}

    def shared_token(self) -> str:
        """The token of a new shared copy."""
        url: str = self.post_json(f"/chatroom/{self.new_reply()['chatroom_id']}/share")["url"]
        return url.rpartition("/")[2]


@cache
def pool() -> httpx.HTTPTransport:
    return httpx.HTTPTransport()


def visitor() -> Person:
    """A person whose requests come from the address of the generated request."""
    return Person(
        base_url=os.environ["SCHEMA_ADDRESS"],
        timeout=60,
        transport=pool(),
        headers={"X-Forwarded-For": _address[0]},
    )


@cache
def owner() -> Person:
    """The account that calls nearly all operations."""
    return visitor().sign_in(OWN_EMAIL)


@cache
def with_password() -> dict[str, str]:
    email = f"{uuid4()}@parley.invalid"
    signup_token = visitor().post_json("/auth/signup", email=email, password=PASSWORD)["signup_token"]
    visitor().sign_in(email, signup_token=signup_token)
    return {"email": email, "password": PASSWORD}


def _code(body: dict[str, Any]) -> None:
    body["otp"] = visitor().post_json("/auth/send-otp", **_who(body))["otp"]
    body.pop("signup_token", None)


def _reset_code(body: dict[str, Any]) -> None:
    who = _who(body)
    code = visitor().post_json("/auth/send-otp", **who)["otp"]
    visitor().post_json("/auth/verify-otp", otp=code, **who)
    body["otp"] = visitor().post_json("/auth/forgot-password", **who)["otp"]


def _refresh_token(body: dict[str, Any]) -> None:
    email = f"{uuid4()}@parley.invalid"
    code = visitor().post_json("/auth/send-otp", email=email)["otp"]
    body["refresh_token"] = visitor().post_json("/auth/verify-otp", email=email, otp=code)["refresh_token"]


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
