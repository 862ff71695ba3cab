"""The cost of authenticating a request, measured in this process because over HTTP it is lost in the noise."""

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from litestar import get
from litestar.types import Message, Receive, Scope, Send

from benchmarks.measurement import Goal, Measurement
from benchmarks.rounds import Effort
from parley.adapters.http.auth import RequireCaller
from parley.bootstrap import bootstrap
from parley.bootstrap.processes import api_process, http_ports
from parley.settings import Settings

TIMES = 20_000


@get("/")
async def anything() -> None:
    """Requires a token."""


async def measure(effort: Effort) -> list[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            account_requests_per_minute=0,
            database_url=f"sqlite:///{Path(folder) / 'parley.db'}",
            jwt_secret=("s" * 32,),
        )
        parley = bootstrap(settings)
        # The list of ended sessions is refreshed in the background, as in an API process.
        async with api_process(parley):
            ports = parley.accounts
            checked = RequireCaller(_nothing, ports=http_ports(parley))
            token = ports.access_tokens.issue(uuid4(), uuid4(), datetime.now(UTC))
            await _microseconds(checked, token)
            rounds = [await _microseconds(checked, token) for _ in range(max(effort.rounds, 3))]
    value = median(each["checked_us"] - each["bare_us"] for each in rounds)
    return [
        Measurement(
            "token",
            "verifying a remembered token: header, token, expiry, revocation, the account bound to log lines",
            "a handler without it",
            Goal(at_most=10, unit="µs"),
            value,
            f"{value:.1f} µs",
            rounds,
        )
    ]


async def _microseconds(checked: RequireCaller, token: str) -> dict[str, float]:
    """For one request with the check and one without. Each is a new scope, since headers are parsed once per scope."""
    scope = _scope(token)
    # Let the refresh run now: the loops below leave it no time.
    await asyncio.sleep(0.4)
    started = time.perf_counter()
    for _ in range(TIMES):
        await _nothing(scope.copy(), _receive, _send)
    between = time.perf_counter()
    for _ in range(TIMES):
        await checked(scope.copy(), _receive, _send)
    ended = time.perf_counter()
    return {"bare_us": (between - started) / TIMES * 1e6, "checked_us": (ended - between) / TIMES * 1e6}


async def _nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """The cost of the call itself."""


async def _receive() -> Any:
    """Never called."""


async def _send(_message: Message) -> None:
    """Never called."""


def _scope(token: str) -> Any:
    headers = _headers(token)
    return {"type": "http", "method": "GET", "path": "/", "path_template": "/"} | {
        "headers": headers,
        "route_handler": anything,
        "state": {},
    }


def _headers(token: str) -> list[tuple[bytes, bytes]]:
    """As many headers as a client of this API sends."""
    named = {"host": "127.0.0.1:8000", "accept": "*/*", "accept-encoding": "gzip", "connection": "keep-alive"}
    given = named | {"user-agent": "python-httpx/0.28.1", "authorization": f"Bearer {token}"}
    return [(name.encode(), value.encode()) for name, value in given.items()]
