"""Access tokens: which are refused, and which routes work without one."""

import hashlib
import re
from typing import Any
from uuid import uuid4

import jwt
import pytest

from parley.bootstrap.processes import litestar_application
from tests.http.answers import refused
from tests.http.conftest import OpenSite
from tests.http.site import SETTINGS, Clock, Person, Site

PUBLIC = {
    ("POST", "/auth/signup"),
    ("POST", "/auth/send-otp"),
    ("POST", "/auth/verify-otp"),
    ("POST", "/auth/login"),
    ("POST", "/auth/refresh"),
    ("POST", "/auth/forgot-password"),
    ("POST", "/auth/reset-password"),
    ("POST", "/webhook/stripe"),
    ("POST", "/payments/webhook/stripe"),
    ("GET", "/checkout/done"),
    ("GET", "/checkout/cancelled"),
    ("GET", "/checkout/back"),
    ("GET", "/sandbox/checkout/{session:str}"),
    ("POST", "/sandbox/checkout/{session:str}/pay"),
    ("POST", "/sandbox/checkout/{session:str}/cancel"),
    ("GET", "/sandbox/portal/{token:str}"),
    ("POST", "/sandbox/portal/{token:str}/{action:str}"),
    ("POST", "/sandbox/portal/{token:str}/price/{price:str}"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/"),
    ("GET", "/chat"),
    ("GET", "/chat/admin"),
    ("GET", "/chat/files/{version:str}/{name:str}"),
    ("GET", "/docs"),
    ("GET", "/docs/start.js"),
    ("GET", "/docs/files/{file_path:path}"),
    ("GET", "/plans"),
    ("GET", "/shared/{token:str}"),
    ("GET", "/chatroom/{chatroom_id:uuid}/socket"),
    ("HEAD", "/docs/files/{file_path:path}"),
}


async def test_only_public_routes_answer_without_a_token(site: Site) -> None:
    visitor = site.visitor()
    answered = set()
    for route in litestar_application(site.parley).routes:
        path = re.sub(r"\{[^}]+\}", str(uuid4()), route.path)
        for method in sorted(route.methods - {"OPTIONS"}):
            answer = await visitor.request(method, path, json={})
            if answer.status_code == 401:
                refused(answer, 401, "admin_token_invalid" if path.startswith("/admin/") else "token_invalid")
            else:
                answered.add((method, route.path))
    assert answered == PUBLIC


NO_TOKENS = [
    "",
    "Bearer",
    "Bearer ",
    "Bearer  ",
    "Basic bWlyYTpzZWNyZXQ=",
    "Bearer x",
    "Bearer a.b.c",
    "Bearer " + "a" * 10_000,
    "Bearer é",
    "Bearer null",
]


async def test_malformed_token_is_refused(site: Site, subtests: pytest.Subtests) -> None:
    for header in NO_TOKENS:
        with subtests.test(header=header[:40]):
            answer = await site.visitor().get("/user/me", headers={"Authorization": header.encode("latin-1")})
            refused(answer, 401, "token_invalid")
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_scheme_is_case_insensitive(site: Site, mira: Person) -> None:
    for scheme in ("bearer", "BEARER", "Bearer"):
        answer = await site.visitor().get("/user/me", headers={"Authorization": f"{scheme} {mira.token}"})
        assert answer.status_code == 200


async def test_a_changed_token_is_refused(mira: Person) -> None:
    claims, signature = mira.token.rsplit(".", 1)
    mira.identify(f"{claims}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}")
    refused(await mira.get("/user/me"), 401, "token_invalid")


async def test_a_rebuilt_token_with_the_same_claims_is_accepted(mira: Person) -> None:
    """Shows that the refusals below are due to their changes."""
    mira.identify(forged(mira.token))
    assert (await mira.get("/user/me")).status_code == 200


OTHER_CLAIMS = [
    {"aud": "parley:stream"},
    {"aud": "somebody:else"},
    {"aud": ["parley:access"]},
    {"aud": None},
    {"iss": "somebody else"},
    {"iss": None},
    {"sub": "not an id"},
    {"sub": None},
    {"sid": 7},
    {"sid": None},
    {"exp": None},
    {"exp": "never"},
    {"exp": 10**400},
    {"iat": None},
]


async def test_a_token_with_other_claims_is_refused(mira: Person, subtests: pytest.Subtests) -> None:
    token = mira.token
    for changes in OTHER_CLAIMS:
        with subtests.test(changes=changes):
            mira.identify(forged(token, **changes))
            refused(await mira.get("/user/me"), 401, "token_invalid")


@pytest.mark.parametrize(("secret", "algorithm"), [("another secret " * 3, "HS256"), (None, "none"), (None, "HS512")])
async def test_a_token_with_another_secret_or_algorithm_is_refused(
    mira: Person, secret: str | None, algorithm: str
) -> None:
    mira.identify(forged(mira.token, secret=secret or SETTINGS["JWT_SECRET"], algorithm=algorithm))
    refused(await mira.get("/user/me"), 401, "token_invalid")


async def test_a_token_lasts_fifteen_minutes(clock: Clock, mira: Person) -> None:
    clock.forward(minutes=15, seconds=-1)
    assert (await mira.get("/user/me")).status_code == 200
    clock.forward(seconds=1)
    refused(await mira.get("/user/me"), 401, "token_invalid")


async def test_a_token_from_the_future_is_refused(clock: Clock, mira: Person) -> None:
    clock.forward(minutes=-5)
    refused(await mira.get("/user/me"), 401, "token_invalid")


async def test_a_token_of_a_missing_account_is_refused(mira: Person) -> None:
    mira.identify(forged(mira.token, sub=str(uuid4())))
    refused(await mira.get("/user/me"), 401, "token_invalid")


async def test_an_older_secret_still_verifies(open_site: OpenSite) -> None:
    older = SETTINGS["JWT_SECRET"]
    site = await open_site(JWT_SECRET=f"a newer secret that has at least as many bytes,{older}")
    person = await site.person()
    person.identify(forged(person.token, secret=older))
    assert (await person.get("/user/me")).status_code == 200


def forged(token: str, *, secret: str | None = None, algorithm: str = "HS256", **changes: Any) -> str:
    """The token rebuilt with `changes`; a claim of None is left out."""
    secret = secret or SETTINGS["JWT_SECRET"]
    claims = jwt.decode(token, options={"verify_signature": False}) | changes
    kid = hashlib.sha256(SETTINGS["JWT_SECRET"].encode()).hexdigest()[:8]
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None},
        secret if algorithm != "none" else None,
        algorithm,
        headers={"kid": kid},
    )
