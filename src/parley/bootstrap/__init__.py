"""The composition root: the only place that knows every adapter and chooses among them."""

import asyncio
import random
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from litestar import Litestar
from litestar.types import ASGIApp
from uuid_utils.compat import uuid7

from parley.adapters.common_passwords import common_passwords
from parley.adapters.http.app import create_app, create_litestar
from parley.adapters.http.ports import HttpPorts
from parley.adapters.phone_numbers import PhoneNumbers
from parley.adapters.sql.chat import SqlChatUnitOfWork
from parley.adapters.sql.database import Database
from parley.adapters.sql.schema import migrate, require_current
from parley.adapters.worker.in_process import InProcessWorker
from parley.adapters.worker.sweeper import Sweep, Sweeper
from parley.adapters.worker.taskiq_worker import Work
from parley.adapters.worker.writing import Writing
from parley.alone import alone
from parley.bootstrap.accounts import SigningIn, signing_in
from parley.bootstrap.databases import open_database
from parley.bootstrap.models import configured_providers, model_catalogue
from parley.bootstrap.payments import Paying, paying
from parley.bootstrap.wires import DELIVER_CODE, PROCESS_EVENT, WRITE_REPLY, Wire, chosen_wire
from parley.core.accounts.codes import CodePolicy
from parley.core.accounts.deliveries import deliver_code, requeue_deliveries
from parley.core.accounts.password_rules import PasswordRules
from parley.core.accounts.revoked import REFRESH_SECONDS
from parley.core.accounts.sessions import forget_expired
from parley.core.chat.catalogue import ModelCatalogue, Provider
from parley.core.chat.ports import ChatUnitOfWork
from parley.core.chat.rooms import SharedReads
from parley.core.chat.sweep import forget_old_keys, requeue_overdue
from parley.core.chat.write_reply import ReplyLimits, ReplyWriter
from parley.core.ports import Clock
from parley.leaving import on_leaving
from parley.settings import Settings

SWEEP_SECONDS = 1.0
TIDY_SECONDS = 3_600.0


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_code() -> str:
    return f"{secrets.randbelow(1_000_000):06d}"


@dataclass(frozen=True, kw_only=True)
class Parley:
    """The product, wired: what serves HTTP, what workers do, and what is under both.

    `tasks` are by the name under which their ids are queued. `watch` is what every API process does beside serving,
    `sweeper` what every worker does.
    """

    settings: Settings
    ports: HttpPorts
    database: Database
    wire: Wire
    tasks: Mapping[str, Work]
    writing: Writing
    watch: Sweeper
    sweeper: Sweeper
    close: tuple[Callable[[], Awaitable[None]], ...]

    @property
    def app(self) -> ASGIApp:
        return create_app(
            self.ports,
            cors_origins=self.settings.cors_origins,
            trusted_proxies=self.settings.trusted_proxies,
            background=self.running,
        )

    @property
    def litestar(self) -> Litestar:
        return create_litestar(self.ports, cors_origins=self.settings.cors_origins, background=self.running)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """An API process; without Redis a worker with it. Raises SchemaOutdated on PostgreSQL."""
        async with self._opened() as stack:
            await stack.enter_async_context(self.wire.in_api())
            stack.enter_context(alone(self.settings))
            await stack.enter_async_context(self.watch.running())
            for task, queue in self.wire.inside.items():
                await stack.enter_async_context(InProcessWorker(ids=queue, work=self.tasks[task]).running())
            if self.wire.inside:
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
    signing = signing_in(settings, database, wire)
    payments = paying(settings, database, wire, sandbox_key=signing.sandbox_key, now=now)
    providers = configured_providers(settings) if providers is None else providers
    catalogue = model_catalogue(settings, providers)
    writing = Writing(_writer(settings, chat, wire, catalogue, now).write)
    return Parley(
        settings=settings,
        ports=_http_ports(settings, database, chat, signing, payments, wire, catalogue, now),
        database=database,
        wire=wire,
        tasks={
            WRITE_REPLY: writing.write,
            DELIVER_CODE: partial(_deliver, signing, now),
            PROCESS_EVENT: payments.process,
        },
        writing=writing,
        watch=_watch(signing, now),
        sweeper=_sweeper(settings, chat, signing, payments, wire, now),
        close=(
            database.close,
            partial(asyncio.to_thread, signing.passwords.close),
            payments.provider.close,
            *(provider.writer.close for provider in providers.values()),
            *(sender.close for sender in (signing.post.senders.values() if signing.post else ())),
        ),
    )


def _http_ports(
    settings: Settings,
    database: Database,
    chat: ChatUnitOfWork,
    signing: SigningIn,
    payments: Paying,
    wire: Wire,
    catalogue: ModelCatalogue,
    now: Clock,
) -> HttpPorts:
    return HttpPorts(
        now=now,
        new_id=uuid7,
        new_code=new_code,
        new_token=lambda: secrets.token_urlsafe(32),
        throttle=wire.throttle,
        health_checks={"database": database.answers, **wire.health_checks},
        public_url=settings.public_url.rstrip("/"),
        accounts=signing.uow,
        passwords=signing.passwords,
        password_rules=PasswordRules(common_passwords()),
        mobile_numbers=PhoneNumbers(),
        post=signing.post,
        turns=signing.turns,
        audit=signing.audit,
        tokens=signing.tokens,
        revoked=signing.revoked,
        code_keys=signing.code_keys,
        refresh_keys=signing.refresh_keys,
        code_policy=CodePolicy(
            settings.otp_expire_seconds, settings.otp_resend_seconds, settings.otp_max_sends_per_hour
        ),
        session_life=timedelta(days=settings.refresh_token_expire_days),
        auth_requests_per_minute=settings.auth_requests_per_minute,
        chat=chat,
        catalogue=catalogue,
        reply_queue=wire.queues[WRITE_REPLY],
        reply_stream=wire.stream,
        stop_signals=wire.signals,
        room_list_cache=wire.cache,
        room_list_reads=SharedReads(),
        tickets=signing.tickets,
        max_pending=settings.max_pending_replies,
        billing=payments.uow,
        basic_daily_limit=settings.basic_daily_limit,
        payments=payments.provider,
        sandbox=payments.sandbox,
        event_queue=payments.queue,
        sandbox_events=payments,
        subscription_grace=payments.grace,
        frontend_url=settings.frontend_url,
        webhook_open=bool(settings.stripe_webhook_secret),
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
        queue=wire.queues[WRITE_REPLY],
        signals=wire.signals,
        catalogue=catalogue,
        limits=limits,
        now=now,
        jitter=random.random,
    )


async def _deliver(signing: SigningIn, now: Clock, delivery_id: UUID) -> None:
    """Nothing where codes are shown: then none waits."""
    if signing.post is not None:
        await deliver_code(uow=signing.uow, post=signing.post, audit=signing.audit, delivery_id=delivery_id, now=now())


def _watch(signing: SigningIn, now: Clock) -> Sweeper:
    return Sweeper(Sweep("revoked_sessions", REFRESH_SECONDS, lambda: signing.revoked.refresh(now())))


def _sweeper(
    settings: Settings, chat: ChatUnitOfWork, signing: SigningIn, payments: Paying, wire: Wire, now: Clock
) -> Sweeper:
    uow, life = signing.uow, timedelta(days=settings.refresh_token_expire_days)
    replies, codes = wire.queues[WRITE_REPLY], wire.queues[DELIVER_CODE]
    return Sweeper(
        Sweep("overdue_replies", SWEEP_SECONDS, lambda: requeue_overdue(uow=chat, queue=replies)),
        Sweep("overdue_codes", SWEEP_SECONDS, lambda: requeue_deliveries(uow=uow, queue=codes)),
        Sweep("idempotency_keys", TIDY_SECONDS, lambda: forget_old_keys(uow=chat, now=now())),
        Sweep("expired_sign_ins", TIDY_SECONDS, lambda: forget_expired(uow=uow, session_life=life, now=now())),
        *payments.sweeps(),
    )
