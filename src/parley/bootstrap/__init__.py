"""The composition root: the only place that knows every adapter and chooses among them."""

import asyncio
import hmac
import random
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from litestar import Litestar
from litestar.types import ASGIApp
from sqlalchemy.engine import make_url
from uuid_utils.compat import uuid7

from parley.adapters.argon2_passwords import Argon2Passwords
from parley.adapters.gemini import GeminiModel
from parley.adapters.http.app import create_app, create_litestar
from parley.adapters.http.ports import HttpPorts
from parley.adapters.jwt_tokens import JwtAccessTokens, JwtStreamTickets
from parley.adapters.memory.reply_queue import MemoryReplyQueue, MemoryStopSignals
from parley.adapters.memory.reply_stream import MemoryReplyStream
from parley.adapters.memory.room_list_cache import MemoryRoomListCache
from parley.adapters.memory.throttle import MemoryThrottle
from parley.adapters.offline_model import OfflineModel
from parley.adapters.openai_compatible import OpenAICompatibleModel
from parley.adapters.phone_numbers import PhoneNumbers
from parley.adapters.response_otp import ResponseOtp
from parley.adapters.sql.accounts import SqlAccountsUnitOfWork
from parley.adapters.sql.chat import SqlChatUnitOfWork
from parley.adapters.sql.database import Database
from parley.adapters.sql.quota import SqlBillingUnitOfWork
from parley.adapters.sql.schema import migrate
from parley.adapters.worker.in_process import InProcessWorker
from parley.adapters.worker.sweeper import Sweep, Sweeper
from parley.core.accounts.codes import CodePolicy
from parley.core.accounts.sessions import forget_expired
from parley.core.chat.catalogue import ModelCatalogue, Provider
from parley.core.chat.sweep import forget_old_keys, requeue_overdue
from parley.core.chat.write_reply import ReplyLimits, ReplyWriter
from parley.core.ports import Clock
from parley.leaving import on_leaving
from parley.local_secret import local_secret
from parley.settings import Settings, SettingsError

SWEEP_SECONDS = 1.0
TIDY_SECONDS = 3_600.0


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_code() -> str:
    return f"{secrets.randbelow(1_000_000):06d}"


@dataclass(frozen=True, kw_only=True)
class Parley:
    """The product, wired: what serves HTTP, what writes replies, and the database under both."""

    settings: Settings
    ports: HttpPorts
    database: Database
    writer: ReplyWriter
    sweeper: Sweeper
    queue: MemoryReplyQueue
    close: tuple[Callable[[], Awaitable[None]], ...]

    @property
    def app(self) -> ASGIApp:
        return create_app(self.ports, cors_origins=self.settings.cors_origins, background=self.running)

    @property
    def litestar(self) -> Litestar:
        return create_litestar(self.ports, cors_origins=self.settings.cors_origins, background=self.running)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """The schema brought up to date, and a worker in this process, until the context ends."""
        async with AsyncExitStack() as stack:
            for close in self.close:
                stack.push_async_callback(close)
            await migrate(self.database)
            worker = InProcessWorker(ids=self.queue, write=self.writer.write)
            await stack.enter_async_context(worker.running())
            await stack.enter_async_context(self.sweeper.running())
            stack.enter_context(on_leaving(self.ports.reply_stream.close))
            yield


def bootstrap(
    settings: Settings,
    *,
    providers: Mapping[str, Provider] | None = None,
    now: Clock = utc_now,
) -> Parley:
    """Wire parley as `settings` say. `providers` stand in for the models that the settings would choose.

    Raises SettingsError for settings that do not go together.
    """
    database = Database(database_url(settings))
    chat = SqlChatUnitOfWork(database, basic_limit=settings.basic_daily_limit)
    accounts = SqlAccountsUnitOfWork(database)
    passwords = Argon2Passwords()
    queue, stream, signals = MemoryReplyQueue(), MemoryReplyStream(), MemoryStopSignals()
    providers = configured_providers(settings) if providers is None else providers
    catalogue = _catalogue(settings, providers)
    jwt_secrets = settings.jwt_secret or (local_secret(),)
    ports = HttpPorts(
        now=now,
        new_id=uuid7,
        new_code=new_code,
        new_token=lambda: secrets.token_urlsafe(32),
        throttle=MemoryThrottle(time.monotonic),
        health_checks={"database": database.answers},
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
        reply_queue=queue,
        reply_stream=stream,
        stop_signals=signals,
        room_list_cache=MemoryRoomListCache(seconds=settings.chatroom_cache_seconds, clock=time.monotonic),
        tickets=JwtStreamTickets(jwt_secrets),
        max_pending=settings.max_pending_replies,
        billing=SqlBillingUnitOfWork(database),
        basic_daily_limit=settings.basic_daily_limit,
    )
    writer = ReplyWriter(
        uow=chat,
        stream=stream,
        queue=queue,
        signals=signals,
        catalogue=catalogue,
        limits=_reply_limits(settings),
        now=now,
        jitter=random.random,
    )
    sweeper = Sweeper(
        Sweep("overdue_replies", SWEEP_SECONDS, lambda: requeue_overdue(uow=chat, queue=queue)),
        Sweep("idempotency_keys", TIDY_SECONDS, lambda: forget_old_keys(uow=chat, now=now())),
        Sweep("expired_sign_ins", TIDY_SECONDS, lambda: forget_expired(uow=accounts, now=now())),
    )
    return Parley(
        settings=settings,
        ports=ports,
        database=database,
        writer=writer,
        sweeper=sweeper,
        queue=queue,
        close=(
            database.close,
            partial(asyncio.to_thread, passwords.close),
            *(provider.writer.close for provider in providers.values()),
        ),
    )


def configured_providers(settings: Settings) -> dict[str, Provider]:
    """The providers that have a key or an address of their own; the offline model when there is none, or on demand."""
    found: dict[str, Provider] = {}
    if settings.gemini_api_key or settings.gemini_base_url:
        gemini = GeminiModel(
            api_key=settings.gemini_api_key or "none",
            base_url=settings.gemini_base_url or None,
            api_version=settings.gemini_api_version,
        )
        found["gemini"] = Provider(gemini, settings.gemini_models)
    if settings.openai_api_key or settings.openai_base_url:
        openai = OpenAICompatibleModel(
            api_key=settings.openai_api_key or "none", base_url=settings.openai_base_url or None
        )
        found["openai"] = Provider(openai, settings.openai_models)
    if settings.groq_api_key:
        groq = OpenAICompatibleModel(api_key=settings.groq_api_key, base_url=settings.groq_base_url, label="groq")
        found["groq"] = Provider(groq, settings.groq_models)
    if not found or settings.default_model.startswith("offline/"):
        found["offline"] = Provider(OfflineModel(settings.offline_delay_seconds), ("echo",))
    return found


def database_url(settings: Settings) -> str:
    return settings.database_url.replace("sqlite:///", "sqlite+aiosqlite:///", 1)


def database_name(settings: Settings) -> str:
    """The database in words that hold no password."""
    return make_url(settings.database_url).render_as_string(hide_password=True)


def _catalogue(settings: Settings, providers: Mapping[str, Provider]) -> ModelCatalogue:
    names = [f"{name}/{model}" for name, provider in providers.items() for model in provider.models]
    default = settings.default_model or names[0]
    if default not in names:
        raise SettingsError(f"DEFAULT_MODEL: {default} is not one of the models on offer: {', '.join(names)}.")
    return ModelCatalogue(providers, default)


def _reply_limits(settings: Settings) -> ReplyLimits:
    return ReplyLimits(
        first_token=settings.model_first_token_seconds,
        idle=settings.model_idle_seconds,
        total=settings.model_total_seconds,
        attempts=settings.model_max_attempts,
        lease=settings.reply_lease_seconds,
        context_characters=settings.context_characters,
    )


def _keys(jwt_secrets: Sequence[str], use: str) -> list[bytes]:
    """A key of its own for each use, so that what one of them signs is worth nothing elsewhere."""
    return [hmac.digest(secret.encode(), f"parley {use}".encode(), "sha256") for secret in jwt_secrets]
