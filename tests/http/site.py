"""The whole application without a socket, and HTTP clients for it."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
from argon2 import PasswordHasher
from litestar import Litestar
from litestar.types import ASGIApp
from sqlalchemy import Table, select

from parley.adapters.http.app import create_litestar
from parley.adapters.security.argon2_passwords import Argon2Passwords
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import SEARCH_TABLES, metadata
from parley.bootstrap import Parley, bootstrap
from parley.bootstrap.processes import api_application, api_process, http_ports
from parley.core.chat.catalogue import Provider
from parley.settings import read_settings
from tests.http.answers import check_envelope
from tests.http.document import Document
from tests.http.scripted_model import PATIENCE_SECONDS, ScriptedModel

MIRA = "+919876543210"
RAVI = "+919876543211"

# A hash at the usual costs takes a tenth of a second of both cores.
CHEAP_HASHES = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}

ADMIN_TOKEN = "the token of an operator in these tests"

SETTINGS = {
    "JWT_SECRET": "a secret that only these tests know and that is long enough for any hash",
    "AUTH_REQUESTS_PER_MINUTE": "0",
    "ACCOUNT_REQUESTS_PER_MINUTE": "0",
    "PASSWORD_ATTEMPTS_PER_HOUR": "0",
    "OTP_RESEND_SECONDS": "0",
    "OTP_MAX_SENDS_PER_HOUR": "1000",
    "OFFLINE_DELAY_SECONDS": "0",
    "BASIC_DAILY_LIMIT": "1000",
    "ALLOW_SHOWN_CODES": "1",
    "ADMIN_TOKEN": ADMIN_TOKEN,
}


@dataclass
class Clock:
    """The application's clock. If `fault` is set, reading the time raises it; `fault_once` only the first time."""

    now: datetime = datetime(2026, 3, 14, 12, tzinfo=UTC)
    fault: Exception | None = None
    fault_once: Exception | None = None

    def __call__(self) -> datetime:
        fault, self.fault_once = self.fault_once or self.fault, None
        if fault is not None:
            raise fault
        return self.now

    def forward(self, **duration: float) -> None:
        self.now += timedelta(**duration)


class Person(httpx.AsyncClient):
    """An HTTP client with the actions that many tests need."""

    @property
    def token(self) -> str:
        """The access token of the requests."""
        return self.headers["Authorization"].removeprefix("Bearer ")

    def identify(self, token: str) -> None:
        self.headers["Authorization"] = f"Bearer {token}"

    async def sign_in(self, mobile_number: str) -> dict[str, Any]:
        """Sign in by a code; later requests have the access token. Returns the response body."""
        sent = await self.post("/auth/send-otp", json={"mobile_number": mobile_number})
        assert sent.status_code == 200, sent.text
        code = sent.json()["otp"]
        answer = await self.post("/auth/verify-otp", json={"mobile_number": mobile_number, "otp": code})
        assert answer.status_code == 200, answer.text
        self.identify(answer.json()["access_token"])
        return answer.json()

    async def new_room(self, name: str = "Holiday plans", **fields: Any) -> str:
        """Create a chatroom and return its id."""
        made = await self.post("/chatroom", json={"name": name, **fields})
        assert made.status_code == 201, made.text
        return made.json()["id"]

    async def say(self, room: str, content: str = "Hello", *, key: str | None = None, **fields: Any) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.post(f"/chatroom/{room}/message", json={"content": content, **fields}, headers=headers)

    async def ask(self, room: str, content: str = "Hello", **fields: Any) -> dict[str, Any]:
        """Send a message that is accepted, and return the body of the 202."""
        accepted = await self.say(room, content, **fields)
        assert accepted.status_code == 202, accepted.text
        return accepted.json()

    async def ended(self, reply: dict[str, Any]) -> dict[str, Any]:
        """Wait for the end of a reply and return it."""
        answer = await self.get(address(reply), headers={"Prefer": "wait=30"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] in {"completed", "stopped", "failed"}, answer.text
        return answer.json()

    async def hear(self, room: str, content: str = "Hello", **fields: Any) -> dict[str, Any]:
        """Send a message and return its reply after its end."""
        return await self.ended((await self.ask(room, content, **fields))["reply"])

    async def used(self) -> int:
        """The number of messages that count today."""
        return (await self.get("/user/usage")).json()["used"]


@dataclass(frozen=True, kw_only=True)
class Site:
    parley: Parley
    app: ASGIApp
    clock: Clock
    model: ScriptedModel
    document: Document

    def visitor(self, address: str = "127.0.0.1") -> Person:
        """A client that is not signed in. Every response is checked for common headers and against the document."""
        return Person(
            transport=httpx.ASGITransport(app=self.app, client=(address, 1234)),
            base_url="http://parley.test",
            event_hooks={"response": [check_envelope, self.document.check]},
        )

    async def person(self, mobile_number: str = MIRA) -> Person:
        person = self.visitor()
        await person.sign_in(mobile_number)
        return person

    async def rows(self) -> dict[str, list[Any]]:
        """Everything that the database holds: for a refusal that must change nothing.

        But for leases, statistics and the search index, which workers write at any time.
        """
        async with self.parley.database.transaction(read_only=True) as transaction:
            return {
                table.name: await transaction.all(_all_of(table))
                for table in metadata.sorted_tables
                if table.name not in {"leases", "noted_statistics", "day_statistics"} and table not in SEARCH_TABLES
            }


class Routes:
    """The routes of one site after the other: making them takes longer than most tests."""

    def __init__(self, parley: Parley) -> None:
        self._ports = http_ports(parley)
        # The site itself runs what is in the background.
        self.litestar = create_litestar(self._ports, cors_origins=parley.settings.cors_origins, background=nullcontext)

    def lead_to(self, parley: Parley) -> None:
        """From now on. The record of the ports is frozen, but nothing else stands between the routes and a site."""
        ports = http_ports(parley)
        for field in fields(ports):
            object.__setattr__(self._ports, field.name, getattr(ports, field.name))


# Those that no open site uses, by the settings that they were made for.
_unused: defaultdict[str, list[Routes]] = defaultdict(list)


@contextmanager
def routes_for(parley: Parley) -> Iterator[Litestar]:
    unused = _unused[str(msgspec.structs.asdict(parley.settings) | {"database_url": ""})]
    routes = unused.pop() if unused else Routes(parley)
    routes.lead_to(parley)
    yield routes.litestar
    unused.append(routes)


@asynccontextmanager
async def opened(parley: Parley, clock: Clock, model: ScriptedModel, document: Document) -> AsyncGenerator[Site, None]:
    """A running site while the context is open."""
    with routes_for(parley) as routes:
        app = api_application(parley, routes=routes)
        async with _running(parley):
            yield Site(parley=parley, app=app, clock=clock, model=model, document=document)


def wired(database: Path, clock: Clock, model: ScriptedModel, **settings: str) -> Parley:
    """The application with this database file. Its models are `scripted/one`, the default, and `scripted/two`."""
    environment = SETTINGS | {"DATABASE_URL": f"sqlite:///{database}"} | settings
    return bootstrap(
        read_settings(environment, dotenv=database.with_name("no.env")),
        providers={"scripted": Provider(model, ("one", "two"))},
        passwords=Argon2Passwords(hasher=PasswordHasher(**CHEAP_HASHES)),
        now=clock,
    )


@asynccontextmanager
async def _running(parley: Parley) -> AsyncGenerator[None, None]:
    """Run it in one task: task groups must be left by the task that entered them, and fixtures may change tasks."""
    started, stopping = asyncio.Event(), asyncio.Event()

    async def serve() -> None:
        async with api_process(parley):
            started.set()
            await stopping.wait()

    serving, starting = asyncio.create_task(serve()), asyncio.create_task(started.wait())
    await asyncio.wait({serving, starting}, return_when=asyncio.FIRST_COMPLETED)
    starting.cancel()
    try:
        if started.is_set():
            yield
    finally:
        stopping.set()
        await serving


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll until the condition holds, for changes without a notification."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():
            await asyncio.sleep(0.005)


def _all_of(table: Table) -> Statement:
    # Leases of replies are renewed at any time.
    return Statement(
        select(
            *(column for column in table.columns if (table.name, column.name) != ("messages", "claimable_at"))
        ).order_by(*table.primary_key)
    )


def address(message: dict[str, Any]) -> str:
    return f"/chatroom/{message['chatroom_id']}/messages/{message['id']}"
