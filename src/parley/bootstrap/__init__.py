"""The composition root: the only place that knows every adapter and chooses among them."""

import asyncio
import hmac
import random
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from litestar import Litestar
from litestar.types import ASGIApp
from uuid_utils.compat import uuid7

from parley.adapters.argon2_passwords import Argon2Passwords
from parley.adapters.http.app import create_app, create_litestar
from parley.adapters.http.ports import HttpPorts
from parley.adapters.jwt_tokens import JwtAccessTokens, JwtStreamTickets
from parley.adapters.phone_numbers import PhoneNumbers
from parley.adapters.response_otp import ResponseOtp
from parley.adapters.sql.accounts import SqlAccountsUnitOfWork
from parley.adapters.sql.chat import SqlChatUnitOfWork
from parley.adapters.sql.database import Database
from parley.adapters.sql.quota import SqlBillingUnitOfWork
from parley.adapters.sql.schema import migrate, require_current
from parley.adapters.worker.in_process import InProcessWorker
from parley.adapters.worker.sweeper import Sweep, Sweeper
from parley.adapters.worker.writing import Writing
from parley.alone import alone
from parley.bootstrap.databases import open_database
from parley.bootstrap.models import configured_providers, model_catalogue
from parley.bootstrap.wires import Wire, chosen_wire
from parley.core.accounts.codes import CodePolicy
from parley.core.accounts.ports import AccountsUnitOfWork, Passwords
from parley.core.accounts.sessions import forget_expired
from parley.core.chat.catalogue import ModelCatalogue, Provider
from parley.core.chat.ports import ChatUnitOfWork
from parley.core.chat.rooms import SharedReads
from parley.core.chat.sweep import forget_old_keys, requeue_overdue
from parley.core.chat.write_reply import ReplyLimits, ReplyWriter
from parley.core.ports import Clock
from parley.leaving import on_leaving
from parley.local_secret import local_secret
from parley.settings import Settings

SWEEP_SECONDS = 1.0
TIDY_SECONDS = 3_600.0


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_code() -> str:
    return f"{secrets.randbelow(1_000_000):06d}"


@dataclass(frozen=True, kw_only=True)
class Parley:
    """The product, wired: what serves HTTP, what writes replies, and what is under both."""

    settings: Settings
    ports: HttpPorts
    database: Database
    wire: Wire
    writing: Writing
    sweeper: Sweeper
    close: tuple[Callable[[], Awaitable[None]], ...]

    @property
    def app(self) -> ASGIApp:
        return create_app(self.ports, cors_origins=self.settings.cors_origins, background=self.running)

    @property
    def litestar(self) -> Litestar:
        return create_litestar(self.ports, cors_origins=self.settings.cors_origins, background=self.running)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """An API process; without Redis a worker with it. Raises SchemaOutdated on PostgreSQL."""
        async with self._opened() as stack:
            await stack.enter_async_context(self.wire.in_api())
            stack.enter_context(alone(self.settings))
            if self.wire.ids is not None:
                worker = InProcessWorker(ids=self.wire.ids, write=self.writing.write)
                await stack.enter_async_context(worker.running())
                await stack.enter_async_context(self.sweeper.running())
            stack.enter_context(on_leaving(self.ports.reply_stream.close))
            yield

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None, None]:
        """A worker process; on a signal it hands back what it writes. Raises SchemaOutdated on PostgreSQL."""
        async with self._opened() as stack:
            await stack.enter_async_context(self.wire.in_worker())
            await stack.enter_async_context(self.sweeper.running())
            stack.enter_context(on_leaving(self.writing.leave))
            yield

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[AsyncExitStack, None]:
        async with AsyncExitStack() as stack:
            for close in self.close:
                stack.push_async_callback(close)
            await self.check_schema()
            yield stack

    async def check_schema(self) -> None:
        """SQLite gets the schema of this version here; PostgreSQL must have it, else SchemaOutdated is raised."""
        if self.database.url.startswith("sqlite"):
            await migrate(self.database)
        else:
            await require_current(self.database)


def bootstrap(
    settings: Settings,
    *,
    providers: Mapping[str, Provider] | None = None,
    now: Clock = utc_now,
) -> Parley:
    """Wire parley as `settings` say. `providers` stand in for the models that the settings would choose.

    Raises SettingsError for settings that do not go together.
    """
    database = open_database(settings)
    wire = chosen_wire(settings)
    chat = SqlChatUnitOfWork(database, basic_limit=settings.basic_daily_limit)
    accounts = SqlAccountsUnitOfWork(database)
    passwords = Argon2Passwords()
    providers = configured_providers(settings) if providers is None else providers
    catalogue = model_catalogue(settings, providers)
    ports = _http_ports(settings, database, chat, accounts, passwords, wire, catalogue, now)
    return Parley(
        settings=settings,
        ports=ports,
        database=database,
        wire=wire,
        writing=Writing(_writer(settings, chat, wire, catalogue, now).write),
        sweeper=_sweeper(chat, accounts, wire, now),
        close=(
            database.close,
            partial(asyncio.to_thread, passwords.close),
            *(provider.writer.close for provider in providers.values()),
        ),
    )


def _http_ports(
    settings: Settings,
    database: Database,
    chat: ChatUnitOfWork,
    accounts: AccountsUnitOfWork,
    passwords: Passwords,
    wire: Wire,
    catalogue: ModelCatalogue,
    now: Clock,
) -> HttpPorts:
    jwt_secrets = settings.jwt_secret or (local_secret(),)
    return HttpPorts(
        now=now,
        new_id=uuid7,
        new_code=new_code,
        new_token=lambda: secrets.token_urlsafe(32),
        throttle=wire.throttle,
        health_checks={"database": database.answers, **wire.health_checks},
        public_url=settings.public_url.rstrip("/"),
        accounts=accounts,
        passwords=passwords,
        mobile_numbers=PhoneNumbers(),
        otp_sender=ResponseOtp(),
        tokens=JwtAccessTokens(jwt_secrets, life=timedelta(minutes=settings.access_token_expire_minutes)),
        code_keys=_keys(jwt_secrets, "one-time codes"),
        refresh_keys=_keys(jwt_secrets, "refresh tokens"),
        code_policy=CodePolicy(
            settings.otp_expire_seconds, settings.otp_resend_seconds, settings.otp_max_sends_per_hour
        ),
        session_life=timedelta(days=settings.refresh_token_expire_days),
        auth_requests_per_minute=settings.auth_requests_per_minute,
        chat=chat,
        catalogue=catalogue,
        reply_queue=wire.queue,
        reply_stream=wire.stream,
        stop_signals=wire.signals,
        room_list_cache=wire.cache,
        room_list_reads=SharedReads(),
        tickets=JwtStreamTickets(jwt_secrets),
        max_pending=settings.max_pending_replies,
        billing=SqlBillingUnitOfWork(database),
        basic_daily_limit=settings.basic_daily_limit,
    )


def _writer(settings: Settings, chat: ChatUnitOfWork, wire: Wire, catalogue: ModelCatalogue, now: Clock) -> ReplyWriter:
    limits = ReplyLimits(
        first_token=settings.model_first_token_seconds,
        idle=settings.model_idle_seconds,
        total=settings.model_total_seconds,
        attempts=settings.model_max_attempts,
        lease=settings.reply_lease_seconds,
        context_characters=settings.context_characters,
    )
    return ReplyWriter(
        uow=chat,
        stream=wire.stream,
        queue=wire.queue,
        signals=wire.signals,
        catalogue=catalogue,
        limits=limits,
        now=now,
        jitter=random.random,
    )


def _sweeper(chat: ChatUnitOfWork, accounts: AccountsUnitOfWork, wire: Wire, now: Clock) -> Sweeper:
    return Sweeper(
        Sweep("overdue_replies", SWEEP_SECONDS, lambda: requeue_overdue(uow=chat, queue=wire.queue)),
        Sweep("idempotency_keys", TIDY_SECONDS, lambda: forget_old_keys(uow=chat, now=now())),
        Sweep("expired_sign_ins", TIDY_SECONDS, lambda: forget_expired(uow=accounts, now=now())),
    )


def _keys(jwt_secrets: Sequence[str], use: str) -> list[bytes]:
    """A key of its own for each use, so that what one of them signs is worth nothing elsewhere."""
    return [hmac.digest(secret.encode(), f"parley {use}".encode(), "sha256") for secret in jwt_secrets]
