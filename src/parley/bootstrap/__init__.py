"""The composition root: the only place that knows every adapter and chooses among them."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from parley.adapters.sql.chat import SqlChatUnitOfWork
from parley.adapters.sql.database import Database
from parley.adapters.sql.schema import has_current
from parley.adapters.worker.about import Work, about
from parley.adapters.worker.sweeper import Sweep, Sweeper
from parley.adapters.worker.writing import Writing
from parley.bootstrap.accounts import SigningIn, signing_in
from parley.bootstrap.databases import open_database
from parley.bootstrap.http import http_ports
from parley.bootstrap.metering import Metering, metering
from parley.bootstrap.models import configured_providers, model_catalogue
from parley.bootstrap.payments import Paying, paying
from parley.bootstrap.product import Parley
from parley.bootstrap.tracing import Tracing, chosen_tracing
from parley.bootstrap.wires import DELIVER_CODE, PROCESS_EVENT, WRITE_REPLY, Wire, chosen_wire
from parley.core.accounts.deliveries import deliver_code, requeue_deliveries
from parley.core.accounts.revoked import REFRESH_SECONDS
from parley.core.accounts.sessions import forget_expired
from parley.core.chat.catalogue import ModelCatalogue, Provider
from parley.core.chat.ports import ChatUnitOfWork
from parley.core.chat.sweep import forget_old_keys, requeue_overdue
from parley.core.chat.write_reply import ReplyLimits, ReplyWriter
from parley.core.ports import Clock
from parley.leaving import Leaving
from parley.settings import Settings

__all__ = ["Parley", "bootstrap"]

SWEEP_SECONDS = 1.0
TIDY_SECONDS = 3_600.0


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """What was chosen, before it is put together."""

    settings: Settings
    now: Clock
    database: Database
    wire: Wire
    meters: Metering
    tracing: Tracing
    chat: ChatUnitOfWork
    signing: SigningIn
    payments: Paying
    providers: Mapping[str, Provider]
    catalogue: ModelCatalogue


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
    parts = _parts(settings, providers, tracing or chosen_tracing(), now)
    writing, leaving = Writing(_writer(parts).write), Leaving()
    health_checks: dict[str, Callable[[], Awaitable[bool]]] = {
        "database": parts.database.answers,
        "schema": partial(has_current, parts.database),
        **parts.wire.health_checks,
        "leaving": leaving.not_begun,
    }
    return Parley(
        settings=settings,
        ports=http_ports(
            settings,
            parts.chat,
            parts.signing,
            parts.payments,
            parts.wire,
            parts.meters,
            health_checks,
            parts.catalogue,
            now,
        ),
        database=parts.database,
        wire=parts.wire,
        metering=parts.meters,
        tracing=parts.tracing,
        leaving=leaving,
        tasks=_tasks(parts, writing),
        writing=writing,
        watch=_watch(parts),
        sweeper=_sweeper(parts),
        close=_closing(parts),
    )


def _parts(settings: Settings, providers: Mapping[str, Provider] | None, tracing: Tracing, now: Clock) -> _Parts:
    database = open_database(settings)
    wire = tracing.wire(chosen_wire(settings))
    meters = metering(database)
    signing = signing_in(settings, database, wire, meters)
    providers = tracing.models(configured_providers(settings) if providers is None else providers)
    return _Parts(
        settings=settings,
        now=now,
        database=database,
        wire=wire,
        meters=meters,
        tracing=tracing,
        chat=SqlChatUnitOfWork(database, basic_limit=settings.basic_daily_limit),
        signing=signing,
        payments=paying(settings, database, wire, sandbox_key=signing.sandbox_key, now=now),
        providers=providers,
        catalogue=model_catalogue(settings, providers),
    )


def _writer(parts: _Parts) -> ReplyWriter:
    settings = parts.settings
    limits = ReplyLimits(
        first_token=settings.model_first_token_seconds,
        idle=settings.model_idle_seconds,
        total=settings.model_total_seconds,
        attempts=settings.model_max_attempts,
        lease=settings.reply_lease_seconds,
        context_characters=settings.context_characters,
    )
    return ReplyWriter(
        uow=parts.tracing.chat(parts.chat),
        stream=parts.wire.stream,
        queue=parts.wire.queues[WRITE_REPLY],
        signals=parts.wire.signals,
        meter=parts.tracing.replies(parts.meters.replies),
        catalogue=parts.catalogue,
        limits=limits,
        now=parts.now,
        jitter=random.random,
    )


def _tasks(parts: _Parts, writing: Writing) -> dict[str, Work]:
    """What is done with the ids of each queue, and what those ids are called in logs and traces."""
    works: tuple[tuple[str, str, Work], ...] = (
        (WRITE_REPLY, "reply_id", writing.write),
        (DELIVER_CODE, "delivery_id", partial(_deliver, parts)),
        (PROCESS_EVENT, "event_id", parts.payments.process),
    )
    return {task: parts.tracing.work(task, id_name, about(id_name, work)) for task, id_name, work in works}


async def _deliver(parts: _Parts, delivery_id: UUID) -> None:
    """Nothing where codes are shown: then none waits."""
    signing = parts.signing
    if signing.post is not None:
        await deliver_code(
            uow=signing.uow, post=signing.post, audit=signing.audit, delivery_id=delivery_id, now=parts.now()
        )


def _watch(parts: _Parts) -> Sweeper:
    revoked = parts.signing.revoked
    refresh = Sweep("revoked_sessions", REFRESH_SECONDS, lambda: revoked.refresh(parts.now()))
    return Sweeper(refresh, meter=parts.meters.sweeps)


def _sweeper(parts: _Parts) -> Sweeper:
    chat, uow, now = parts.chat, parts.signing.uow, parts.now
    life = timedelta(days=parts.settings.refresh_token_expire_days)
    replies, codes = parts.wire.queues[WRITE_REPLY], parts.wire.queues[DELIVER_CODE]
    return Sweeper(
        Sweep("overdue_replies", SWEEP_SECONDS, lambda: requeue_overdue(uow=chat, queue=replies)),
        Sweep("overdue_codes", SWEEP_SECONDS, lambda: requeue_deliveries(uow=uow, queue=codes)),
        Sweep("idempotency_keys", TIDY_SECONDS, lambda: forget_old_keys(uow=chat, now=now())),
        Sweep("expired_sign_ins", TIDY_SECONDS, lambda: forget_expired(uow=uow, session_life=life, now=now())),
        *parts.payments.sweeps(),
        meter=parts.meters.sweeps,
    )


def _closing(parts: _Parts) -> tuple[Callable[[], Awaitable[None]], ...]:
    post = parts.signing.post
    return (
        parts.tracing.close,
        parts.database.close,
        partial(asyncio.to_thread, parts.signing.passwords.close),
        parts.payments.provider.close,
        *(provider.writer.close for provider in parts.providers.values()),
        *(sender.close for sender in (post.senders.values() if post else ())),
    )
