"""Builds the chat module: its ports, and the tasks and sweeps that write replies."""

import random
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from uuid_utils.compat import uuid7

from parley.adapters.security.jwt_tokens import JwtStreamTickets
from parley.adapters.sql.billing.plans import PlanLimits
from parley.adapters.sql.chat.acceptance import sql_acceptance
from parley.adapters.sql.chat.unit_of_work import SqlChatUnitOfWork
from parley.adapters.sql.engine.database import Database
from parley.adapters.worker.reply_tasks import ReplyTasks
from parley.adapters.worker.sweeper import Sweep
from parley.bootstrap.accounts import signing_secrets
from parley.bootstrap.built_module import Module, Task
from parley.bootstrap.models import model_catalogue, model_prices, title_rules
from parley.bootstrap.telemetry import Telemetry
from parley.bootstrap.transport import WRITE_REPLY, WRITE_TITLE, Transport
from parley.core.chat import ChatPorts
from parley.core.chat.account_plans import AccountPlans
from parley.core.chat.catalogue import Provider
from parley.core.chat.circuit_breaker import CircuitBreakers
from parley.core.chat.lease_renewals import LeaseRenewals
from parley.core.chat.open_rooms import LOOK_SECONDS, PERMISSION_SECONDS, OpenRooms
from parley.core.chat.prompts import forget_old_prompts
from parley.core.chat.readers import ReplyReaders
from parley.core.chat.reply_limits import ReplyLimits
from parley.core.chat.room_limits import RoomLimits
from parley.core.chat.search import index_waiting
from parley.core.chat.shared_reads import SharedReads
from parley.core.chat.sweep import forget_old_keys, requeue_overdue
from parley.core.chat.token_estimates import TokenEstimates
from parley.core.chat.write_reply import write_reply
from parley.core.chat.write_title import requeue_titles, write_title
from parley.core.outgoing_events import Webhooks
from parley.core.plans import Plans
from parley.core.ports import Clock
from parley.settings import ConfigFile, Settings

SWEEP_SECONDS = 1.0
PROMPTS_SECONDS = 60.0
TITLE_SWEEP_SECONDS = 2.0
TIDY_SECONDS = 3_600.0


def build_chat(
    settings: Settings,
    file: ConfigFile,
    plans: Plans,
    database: Database,
    transport: Transport,
    telemetry: Telemetry,
    *,
    providers: Mapping[str, Provider],
    webhooks: Webhooks,
    now: Clock,
) -> Module[ChatPorts]:
    tracing, plan_limits, limits = telemetry.tracing, PlanLimits(plans), reply_limits(settings)
    chosen, meter = tracing.models(providers), tracing.replies(telemetry.replies)
    catalogue = model_catalogue(settings, plans, chosen)
    uow = SqlChatUnitOfWork(database, plan_limits)
    worker_uow = tracing.chat(uow)
    account_plans = AccountPlans(plans, uow, now=now)
    ports = ChatPorts(
        uow=uow,
        acceptance=sql_acceptance(database, plan_limits),
        catalogue=catalogue,
        plans=account_plans,
        queue=transport.queues[WRITE_REPLY],
        title_queue=transport.queues[WRITE_TITLE],
        stream=transport.stream,
        stop_signals=transport.signals,
        room_list_cache=transport.cache,
        shared_reads=SharedReads(),
        meter=meter,
        prices=model_prices(settings, file, catalogue.names),
        breakers=CircuitBreakers(clock=time.monotonic, jitter=random.random, on_change=meter.circuit_changed),
        tickets=JwtStreamTickets(signing_secrets(settings)),
        limits=limits,
        renewals=LeaseRenewals(worker_uow, lease=limits.lease),
        worker_id=uuid7(),
        readers=ReplyReaders(account_plans, of_an_account=settings.max_open_streams),
        open_rooms=OpenRooms(transport.room_signals),
        estimates=TokenEstimates(settings.token_bytes, settings.reserved_answer_tokens),
        room_limits=RoomLimits(rooms=settings.max_chatrooms),
        webhooks=webhooks,
        titles=title_rules(settings, catalogue),
        now=now,
        new_id=uuid7,
        new_token=partial(secrets.token_urlsafe, 32),
        jitter=random.random,
    )
    writing = ReplyTasks(partial(write_reply, replace(ports, uow=worker_uow)))
    return _module(ports, writing, transport, close=[provider.writer.close for provider in chosen.values()])


def _module(
    ports: ChatPorts, reply_tasks: ReplyTasks, transport: Transport, *, close: Sequence[Callable[[], Awaitable[None]]]
) -> Module[ChatPorts]:
    title_tasks = ReplyTasks(partial(write_title, ports))
    return Module(
        ports=ports,
        tasks={
            WRITE_REPLY: Task(id_name="reply_id", work=reply_tasks.write),
            WRITE_TITLE: Task(id_name="room_id", work=title_tasks.write),
        },
        api_sweeps=(
            Sweep("open_rooms", LOOK_SECONDS, partial(ports.open_rooms.look, ports.uow)),
            Sweep("room_readers", PERMISSION_SECONDS, ports.open_rooms.check_permissions),
        ),
        worker_sweeps=_worker_sweeps(ports, transport),
        on_api_shutdown=(ports.stream.close, ports.open_rooms.close),
        on_worker_shutdown=(reply_tasks.shut_down, title_tasks.shut_down),
        close=tuple(close),
    )


def _worker_sweeps(chat: ChatPorts, transport: Transport) -> tuple[Sweep, ...]:
    return (
        Sweep("search_index", SWEEP_SECONDS, partial(_index, chat)),
        Sweep("overdue_replies", SWEEP_SECONDS, partial(requeue_overdue, chat, own_limit=transport.own_limit)),
        Sweep("overdue_titles", TITLE_SWEEP_SECONDS, partial(requeue_titles, chat)),
        Sweep("old_prompts", PROMPTS_SECONDS, partial(forget_old_prompts, chat)),
        Sweep("idempotency_keys", TIDY_SECONDS, partial(forget_old_keys, chat)),
    )


async def _index(chat: ChatPorts) -> None:
    """Without a number, since a text that is indexed is no event for the log."""
    await index_waiting(chat)


def reply_limits(settings: Settings) -> ReplyLimits:
    return ReplyLimits(
        first_token=settings.model_first_token_seconds,
        idle=settings.model_idle_seconds,
        total=settings.model_total_seconds,
        attempts=settings.model_max_attempts,
        lease=settings.reply_lease_seconds,
        context_characters=settings.context_characters,
        max_pending=settings.max_pending_replies,
    )
