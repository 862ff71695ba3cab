"""The contract of HumanCheck, and the requests and answers of the one that asks a server."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import pytest

from parley.adapters.human.siteverify import SiteVerify
from parley.core.accounts.ports import HumanCheck
from parley.core.errors import Unavailable
from tests.fakes.account_ports import FakeHumanCheck
from tests.servers.siteverify_server import SECRET, SiteVerifyServer

ADDRESS = "192.0.2.1"


class Checked(NamedTuple):
    check: HumanCheck
    issue: Callable[[str], None]
    leave: Callable[[], Any]


@asynccontextmanager
async def fake() -> AsyncGenerator[Checked, None]:
    check = FakeHumanCheck()

    async def leave() -> None:
        check.away = True

    yield Checked(check, check.tokens.add, leave)


@asynccontextmanager
async def served() -> AsyncGenerator[Checked, None]:
    async with SiteVerifyServer().running() as server:
        check = SiteVerify(url=server.url, secret=SECRET)
        yield Checked(check, lambda token: server.tokens.update({token: "app.example"}), server.stop)
        await check.close()


@pytest.fixture(params=[pytest.param(fake, id="fake"), pytest.param(served, id="siteverify")])
async def checked(request: pytest.FixtureRequest) -> AsyncGenerator[Checked, None]:
    async with request.param() as one:
        yield one


async def test_a_token_passes_once(checked: Checked) -> None:
    checked.issue("a token")

    assert not await checked.check.passes("another", address=ADDRESS)
    assert await checked.check.passes("a token", address=ADDRESS)
    assert not await checked.check.passes("a token", address=ADDRESS)
    await checked.check.check()


async def test_a_service_that_is_away_cannot_say(checked: Checked) -> None:
    checked.issue("a token")
    await checked.leave()

    with pytest.raises(Unavailable):
        await checked.check.passes("a token", address=ADDRESS)
    with pytest.raises(Unavailable):
        await checked.check.check()


@asynccontextmanager
async def asking(server: SiteVerifyServer, **options: Any) -> AsyncGenerator[SiteVerify, None]:
    check = SiteVerify(**{"url": server.url, "secret": SECRET} | options)
    try:
        yield check
    finally:
        await check.close()


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("192.0.2.1", {"remoteip": ["192.0.2.1"]}),
        ("2001:db8::1", {"remoteip": ["2001:db8::1"]}),
        ("2001:db8::/64", {}),
        ("unknown", {}),
    ],
)
async def test_the_request(address: str, sent: dict[str, list[str]]) -> None:
    async with SiteVerifyServer().running() as server, asking(server) as check:
        await check.passes("a&b=c", address=address)
        request = server.requests.get_nowait()
    assert (request.method, request.path) == ("POST", "/siteverify")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(request.body.decode()) == {"secret": [SECRET], "response": ["a&b=c"]} | sent


@pytest.mark.parametrize(
    ("hostnames", "passes"),
    [((), True), (("app.example",), True), (("b.example", "APP.example"), True), (("x",), False)],
)
async def test_a_token_of_another_page_does_not_pass(hostnames: tuple[str, ...], passes: bool) -> None:
    async with SiteVerifyServer().running() as server, asking(server, hostnames=hostnames) as check:
        server.tokens = {"a token": "app.example"}
        assert await check.passes("a token", address=ADDRESS) is passes


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"hostname": "app.example"}',
        b'{"success": "true"}',
        b'{"success": false, "error-codes": ["internal-error"]}',
        b'{"success": false, "error-codes": ["bad-request", 7, null]}',
        b'{"success": true, "cdata": "' + b"x" * 1_000_000 + b'"}',
    ],
    ids=lambda body: body[:60].decode(),
)
async def test_an_answer_that_judges_nothing_is_no_refusal(body: bytes) -> None:
    async with SiteVerifyServer().running() as server, asking(server) as check:
        server.given = body
        with pytest.raises(Unavailable):
            await check.passes("a token", address=ADDRESS)


@pytest.mark.parametrize("status", [400, 403, 500])
async def test_a_refusal_counts_whatever_its_status_is(status: int) -> None:
    async with SiteVerifyServer().running() as server, asking(server) as check:
        server.status = status
        assert not await check.passes("a token", address=ADDRESS)


@pytest.mark.parametrize(
    ("body", "passes"),
    [
        (b'{"success": true, "hostname": null, "error-codes": null, "score": 0.9}', True),
        (b'{"success": true}', True),
        (b'{"success": false}', False),
        (b'{"success": false, "error-codes": ["already-seen-response", "expired-input-response"]}', False),
    ],
)
async def test_answers_of_other_services(body: bytes, passes: bool) -> None:
    async with SiteVerifyServer().running() as server, asking(server) as check:
        server.given = body
        assert await check.passes("a token", address=ADDRESS) is passes


async def test_a_wrong_secret_is_a_fault_of_the_operator() -> None:
    async with SiteVerifyServer().running() as server, asking(server, secret="wrong") as check:
        with pytest.raises(Unavailable):
            await check.check()


async def test_a_server_that_hangs_is_given_up() -> None:
    async with SiteVerifyServer().running() as server, asking(server, seconds=0.1) as check:
        server.hanging = True
        async with asyncio.timeout(5):
            with pytest.raises(Unavailable):
                await check.passes("a token", address=ADDRESS)


@pytest.mark.parametrize("url", ["ftp://verify.example", "https://", "verify.example"])
def test_a_wrong_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="HUMAN_CHECK_URL"):
        SiteVerify(url=url, secret=SECRET)
