"""The composition root: the only place that knows every adapter and chooses among them."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from litestar import Litestar
from litestar.types import ASGIApp

from parley.adapters.http.app import create_app, create_litestar
from parley.adapters.http.ports import HttpPorts
from parley.adapters.sql.chat import SqlChatUnitOfWork
from parley.adapters.sql.database import Database
from parley.adapters.sql.schema import has_current, migrate, require_current
from parley.adapters.worker.about import about
from parley.adapters.worker.in_process import InProcessWorker
from parley.adapters.worker.sweeper import Sweep, Sweeper
from parley.adapters.worker.taskiq_worker import Work
from parley.adapters.worker.writing import Writing
from parley.alone import alone
from parley.bootstrap.accounts import SigningIn, signing_in
from parley.bootstrap.databases import open_database
from parley.bootstrap.http import http_ports
from parley.bootstrap.metering import Metering, metering
from parley.bootstrap.models import configured_providers, model_catalogue
from parley.bootstrap.payments import Paying, paying
from parley.bootstrap.tracing import Tracing, chosen_tracing
from parley.bootstrap.wires import DELIVER_CODE, PROCESS_EVENT, WRITE_REPLY, Wire, chosen_wire
from parley.core.accounts.deliveries import deliver_code, requeue_deliveries
from parley.core.accounts.revoked import REFRESH_SECONDS
from parley.core.accounts.sessions import forget_expired
from parley.core.chat.catalogue import ModelCatalogue, Provider
from parley.core.chat.ports import ChatUnitOfWork, ReplyMeter
from parley.core.chat.sweep import forget_old_keys, requeue_overdue
from parley.core.chat.write_reply import ReplyLimits, ReplyWriter
from parley.core.ports import Clock
from parley.leaving import Leaving, on_leaving
from parley.settings import Settings

SWEEP_SECONDS = 1.0
TIDY_SECONDS = 3_600.0


def utc_now() -> datetime:
    return datetime.now(UTC)


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
    metering: Metering
    tracing: Tracing
    leaving: Leaving
    tasks: Mapping[str, Work]
    writing: Writing
    watch: Sweeper
    sweeper: Sweeper
    close: tuple[Callable[[], Awaitable[None]], ...]

    @property
    def app(self) -> ASGIApp:
        app = create_app(
            self.ports,
            cors_origins=self.settings.cors_origins,
            trusted_proxies=self.settings.trusted_proxies,
            background=self.running,
        )
        return self.tracing.app(app)

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
            stack.enter_context(on_leaving(self.leaving.begin))
            yield

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None, None]:
        """A worker process; on a signal it hands back what it writes. Raises SchemaOutdated on PostgreSQL."""
        async with self._opened() as stack:
            stack.enter_context(self.metering.listening(self.settings))
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
    tracing: Tracing | None = None,
    now: Clock = utc_now,
) -> Parley:
    """Wire parley as `settings` say. `providers` stand in for the models that they would choose.

    `tracing` stands in for what OpenTelemetry's own variables would choose.

    Raises SettingsError for settings that do not go together.
    """
    database, tracing = open_database(settings), tracing or chosen_tracing()
    wire = tracing.wire(chosen_wire(settings))
    chat = SqlChatUnitOfWork(database, basic_limit=settings.basic_daily_limit)
    meters, leaving = metering(database), Leaving()
    signing = signing_in(settings, database, wire, meters)
    payments = paying(settings, database, wire, sandbox_key=signing.sandbox_key, now=now)
    providers = tracing.models(configured_providers(settings) if providers is None else providers)
    catalogue = model_catalogue(settings, providers)
    writer = _writer(settings, tracing.chat(chat), wire, tracing.replies(meters.replies), catalogue, now)
    writing = Writing(writer.write)
    return Parley(
        settings=settings,
        ports=http_ports(
            settings,
            chat,
            signing,
            payments,
            wire,
            meters,
            {
                "database": database.answers,
                "schema": partial(has_current, database),
                **wire.health_checks,
                "leaving": leaving.not_begun,
            },
            catalogue,
            now,
        ),
        database=database,
        wire=wire,
        metering=meters,
        tracing=tracing,
        leaving=leaving,
        tasks={
            task: tracing.work(task, id_name, about(id_name, work))
            for task, id_name, work in (
                (WRITE_REPLY, "reply_id", writing.write),
                (DELIVER_CODE, "delivery_id", partial(_deliver, signing, now)),
                (PROCESS_EVENT, "event_id", payments.process),
            )
        },
        writing=writing,
        watch=_watch(signing, meters, now),
        sweeper=_sweeper(settings, chat, signing, payments, wire, meters, now),
        close=(
            tracing.close,
            database.close,
            partial(asyncio.to_thread, signing.passwords.close),
            payments.provider.close,
            *(provider.writer.close for provider in providers.values()),
            *(sender.close for sender in (signing.post.senders.values() if signing.post else ())),
        ),
    )


def _writer(
    settings: Settings, chat: ChatUnitOfWork, wire: Wire, meter: ReplyMeter, catalogue: ModelCatalogue, now: Clock
) -> ReplyWriter:
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
        meter=meter,
        catalogue=catalogue,
        limits=limits,
        now=now,
        jitter=random.random,
    )


async def _deliver(signing: SigningIn, now: Clock, delivery_id: UUID) -> None:
    """Nothing where codes are shown: then none waits."""
    if signing.post is not None:
        await deliver_code(uow=signing.uow, post=signing.post, audit=signing.audit, delivery_id=delivery_id, now=now())


def _watch(signing: SigningIn, meters: Metering, now: Clock) -> Sweeper:
    refresh = Sweep("revoked_sessions", REFRESH_SECONDS, lambda: signing.revoked.refresh(now()))
    return Sweeper(refresh, meter=meters.sweeps)


def _sweeper(
    settings: Settings,
    chat: ChatUnitOfWork,
    signing: SigningIn,
    payments: Paying,
    wire: Wire,
    meters: Metering,
    now: Clock,
) -> Sweeper:
    uow, life = signing.uow, timedelta(days=settings.refresh_token_expire_days)
    replies, codes = wire.queues[WRITE_REPLY], wire.queues[DELIVER_CODE]
    return Sweeper(
        Sweep("overdue_replies", SWEEP_SECONDS, lambda: requeue_overdue(uow=chat, queue=replies)),
        Sweep("overdue_codes", SWEEP_SECONDS, lambda: requeue_deliveries(uow=uow, queue=codes)),
        Sweep("idempotency_keys", TIDY_SECONDS, lambda: forget_old_keys(uow=chat, now=now())),
        Sweep("expired_sign_ins", TIDY_SECONDS, lambda: forget_expired(uow=uow, session_life=life, now=now())),
        *payments.sweeps(),
        meter=meters.sweeps,
    )
