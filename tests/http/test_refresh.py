"""Refresh tokens over HTTP."""

from typing import Any

import httpx
import pytest

from tests.http.answers import refused
from tests.http.site import MIRA, Clock, Person, Site


@pytest.fixture
async def session(site: Site) -> dict[str, Any]:
    return await site.visitor().sign_in(MIRA)


@pytest.fixture
def visitor(site: Site) -> Person:
    return site.visitor()


async def refresh(person: Person, token: str) -> httpx.Response:
    return await person.post("/auth/refresh", json={"refresh_token": token})


async def test_a_refresh_token_gives_a_new_pair(visitor: Person, session: dict[str, Any], clock: Clock) -> None:
    clock.forward(minutes=20)
    answer = await refresh(visitor, session["refresh_token"])
    assert answer.status_code == 200
    pair = answer.json()
    assert set(pair) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (pair["token_type"], pair["expires_in"]) == ("bearer", 900)
    assert pair["refresh_token"] != session["refresh_token"]
    visitor.identify(pair["access_token"])
    assert (await visitor.get("/user/me")).json() == session["user"]


async def test_two_tabs_that_refresh_at_once_get_the_same_token(visitor: Person, session: dict[str, Any]) -> None:
    answers = [await refresh(visitor, session["refresh_token"]) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["refresh_token"] == answers[1].json()["refresh_token"]


async def test_reuse_after_the_grace_ends_the_session(visitor: Person, session: dict[str, Any], clock: Clock) -> None:
    child = (await refresh(visitor, session["refresh_token"])).json()["refresh_token"]
    clock.forward(seconds=11)
    refused(await refresh(visitor, session["refresh_token"]), 401, "refresh_token_invalid")
    refused(await refresh(visitor, child), 401, "refresh_token_invalid")


async def test_reuse_ends_no_other_session(visitor: Person, session: dict[str, Any], clock: Clock) -> None:
    other = await visitor.sign_in(MIRA)
    await refresh(visitor, session["refresh_token"])
    clock.forward(seconds=11)
    refused(await refresh(visitor, session["refresh_token"]), 401, "refresh_token_invalid")
    assert (await refresh(visitor, other["refresh_token"])).status_code == 200


async def test_a_session_lasts_thirty_days_from_its_last_refresh(
    visitor: Person, session: dict[str, Any], clock: Clock
) -> None:
    clock.forward(days=29)
    child = (await refresh(visitor, session["refresh_token"])).json()["refresh_token"]
    clock.forward(days=29)
    grandchild = (await refresh(visitor, child)).json()["refresh_token"]
    clock.forward(days=30)
    refused(await refresh(visitor, grandchild), 401, "refresh_token_invalid")


NO_REFRESH_TOKENS = ["", "x", "é", "\x00", "a" * 1_024]


async def test_an_invalid_refresh_token_is_refused(visitor: Person, subtests: pytest.Subtests) -> None:
    for token in NO_REFRESH_TOKENS:
        with subtests.test(token=token[:20]):
            refused(await refresh(visitor, token), 401, "refresh_token_invalid")


async def test_an_access_token_is_no_refresh_token(visitor: Person, session: dict[str, Any]) -> None:
    refused(await refresh(visitor, session["access_token"]), 401, "refresh_token_invalid")


async def test_an_overlong_refresh_token_is_bad_input(visitor: Person) -> None:
    refused(await refresh(visitor, "a" * 1_025), 400, "invalid_input", "refresh_token")
