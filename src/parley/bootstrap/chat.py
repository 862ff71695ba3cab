"""Builds the chat module: its ports, and the tasks and sweeps that write replies."""

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from uuid_utils.compat import uuid7

from parley.adapters.models.gemini import GEMINI_URL, GeminiModel
from parley.adapters.models.offline import ECHO, THINK, OfflineModel
from parley.adapters.models.openai_compatible import OPENAI_URL, OpenAICompatibleModel
from parley.adapters.security.jwt_tokens import JwtStreamTickets
from parley.adapters.sql.chat.acceptance import sql_acceptance
from parley.adapters.sql.chat.unit_of_work import SqlChatUnitOfWork
from parley.adapters.sql.engine.database import Database
from parley.adapters.worker.reply_tasks import ReplyTasks
from parley.adapters.worker.sweeper import Sweep
from parley.bootstrap.accounts import signing_secrets
from parley.bootstrap.built_module import Module, Task
from parley.bootstrap.telemetry import Telemetry
from parley.bootstrap.transport import WRITE_REPLY, Transport
from parley.core.chat import ChatPorts
from parley.core.chat.catalogue import ModelCatalogue, Provider
from parley.core.chat.circuit_breaker import CircuitBreakers
from parley.core.chat.language_model import LanguageModel
from parley.core.chat.lease_renewals import LeaseRenewals
from parley.core.chat.reply_limits import ReplyLimits
from parley.core.chat.search import index_waiting
from parley.core.chat.shared_reads import SharedReads
from parley.core.chat.sweep import forget_old_keys, requeue_overdue
from parley.core.chat.write_reply import write_reply
from parley.core.ports import Clock, Jitter
from parley.settings import Settings, SettingsError

SWEEP_SECONDS = 1.0
TIDY_SECONDS = 3_600.0
NO_KEY = "none"


def build_chat(
    settings: Settings,
    database: Database,
    transport: Transport,
    telemetry: Telemetry,
    *,
    providers: Mapping[str, Provider] | None,
    now: Clock,
    jitter: Jitter,
) -> Module[ChatPorts]:
    tracing = telemetry.tracing
    chosen = tracing.models(configured_providers(settings) if providers is None else providers)
    meter = tracing.replies(telemetry.replies)
    uow = SqlChatUnitOfWork(database, basic_limit=settings.basic_daily_limit)
    worker_uow, limits = tracing.chat(uow), reply_limits(settings)
    ports = ChatPorts(
        uow=uow,
        acceptance=sql_acceptance(database, basic_limit=settings.basic_daily_limit),
        catalogue=model_catalogue(settings, chosen),
        queue=transport.queues[WRITE_REPLY],
        stream=transport.stream,
        stop_signals=transport.signals,
        room_list_cache=transport.cache,
        shared_reads=SharedReads(),
        meter=meter,
        breakers=CircuitBreakers(clock=time.monotonic, jitter=jitter, on_change=meter.circuit_changed),
        tickets=JwtStreamTickets(signing_secrets(settings)),
        limits=limits,
        renewals=LeaseRenewals(worker_uow, lease=limits.lease),
        worker_id=uuid7(),
        now=now,
        new_id=uuid7,
        jitter=jitter,
    )
    reply_tasks = ReplyTasks(partial(write_reply, replace(ports, uow=worker_uow)))
    return Module(
        ports=ports,
        tasks={WRITE_REPLY: Task(id_name="reply_id", work=reply_tasks.write)},
        worker_sweeps=(
            Sweep("search_index", SWEEP_SECONDS, partial(_index, ports)),
            Sweep("overdue_replies", SWEEP_SECONDS, partial(requeue_overdue, ports, own_limit=transport.own_limit)),
            Sweep("idempotency_keys", TIDY_SECONDS, partial(forget_old_keys, ports)),
        ),
        on_api_shutdown=(ports.stream.close,),
        on_worker_shutdown=(reply_tasks.shut_down,),
        close=tuple(provider.writer.close for provider in chosen.values()),
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


def configured_providers(settings: Settings) -> dict[str, Provider]:
    """The providers that are turned on; the offline model when there is none, or on demand.

    Raises SettingsError for a key or an address with which no request could be sent.
    """
    found = {name: _provider(name, settings) for name in settings.providers}
    if not found or settings.default_model.startswith("offline/"):
        found["offline"] = Provider(OfflineModel(settings.offline_delay_seconds), (ECHO, THINK))
    return found


def _provider(name: str, settings: Settings) -> Provider:
    """The provider by its settings `{name}_api_key`, `{name}_base_url` and `{name}_models`."""
    key, url = getattr(settings, f"{name}_api_key") or NO_KEY, getattr(settings, f"{name}_base_url")
    try:
        if name == "gemini":
            model: LanguageModel = GeminiModel(
                api_key=key, base_url=url or GEMINI_URL, api_version=settings.gemini_api_version
            )
        else:
            model = OpenAICompatibleModel(api_key=key, base_url=url or OPENAI_URL, label=name)
    except ValueError as error:
        raise SettingsError(f"{name.upper()}_API_KEY, {name.upper()}_BASE_URL: {error}") from error
    return Provider(model, getattr(settings, f"{name}_models"))


def model_catalogue(settings: Settings, providers: Mapping[str, Provider]) -> ModelCatalogue:
    """Raises SettingsError for a default model or a fallback that is not on offer."""
    names = [f"{name}/{model}" for name, provider in providers.items() for model in provider.models]
    default = settings.default_model or names[0]
    if default not in names:
        raise SettingsError(f"DEFAULT_MODEL: {default} is not one of the models on offer: {', '.join(names)}.")
    fallbacks = settings.model_fallbacks
    for fallback in fallbacks:
        if fallback not in names:
            raise SettingsError(f"MODEL_FALLBACKS: {fallback} is not one of the models on offer: {', '.join(names)}.")
    if len(set(fallbacks)) != len(fallbacks):
        raise SettingsError("MODEL_FALLBACKS: name each model once.")
    return ModelCatalogue(providers, default, fallbacks)
