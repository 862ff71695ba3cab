"""The composition root: the only package that knows every adapter and chooses among them."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from parley.adapters.metrics.meters import LagMeter, RedisMeter
from parley.adapters.security.argon2_passwords import Argon2Passwords
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.statistics import SqlStatistics
from parley.adapters.worker.log_context import Work
from parley.adapters.worker.sweeper import Sweep
from parley.bootstrap.accounts import build_accounts
from parley.bootstrap.billing import build_billing
from parley.bootstrap.chat import build_chat
from parley.bootstrap.database import open_logged_database
from parley.bootstrap.models import configured_providers
from parley.bootstrap.plans import build_plans
from parley.bootstrap.telemetry import Telemetry, Tracing, build_telemetry
from parley.bootstrap.transport import Transport, choose_transport
from parley.bootstrap.webhooks import build_webhooks, wanted_events
from parley.core.accounts import AccountsPorts
from parley.core.billing import BillingPorts
from parley.core.chat import ChatPorts
from parley.core.chat.catalogue import Provider
from parley.core.ports import Clock
from parley.core.statistics import COLLECT_SECONDS, Statistics
from parley.core.webhooks import WebhooksPorts
from parley.runtime.loop_lag import LoopLag
from parley.runtime.outage_log import OutageLog
from parley.runtime.shutdown import Shutdown
from parley.settings import Settings, read_config_file

__all__ = ["Parley", "bootstrap"]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Parley:
    """The whole product: the ports of its modules, and what its processes run.

    `tasks` are what workers do, by the name under which ids are queued. Every API process repeats its `api_sweeps`, and
    every worker its `worker_sweeps`. `close` lists what to close at the end, in reverse order.
    """

    settings: Settings
    database: Database
    transport: Transport
    telemetry: Telemetry
    accounts: AccountsPorts
    billing: BillingPorts
    chat: ChatPorts
    statistics: Statistics
    webhooks: WebhooksPorts
    tasks: Mapping[str, Work]
    api_sweeps: tuple[Sweep, ...]
    worker_sweeps: tuple[Sweep, ...]
    shutdown: Shutdown
    loop_lag: LoopLag
    on_api_shutdown: tuple[Callable[[], None], ...]
    on_worker_shutdown: tuple[Callable[[], None], ...]
    close: tuple[Callable[[], Awaitable[None]], ...]

    @asynccontextmanager
    async def closing(self) -> AsyncGenerator[None, None]:
        """Close connections, threads and clients at the end."""
        async with AsyncExitStack() as stack:
            for close in self.close:
                stack.push_async_callback(close)
            yield


def bootstrap(
    settings: Settings,
    *,
    providers: Mapping[str, Provider] | None = None,
    passwords: Argon2Passwords | None = None,
    tracing: Tracing | None = None,
    now: Clock = utc_now,
    is_worker: bool = False,
) -> Parley:
    """Build parley as `settings` say, for an API process or a worker.

    `providers` replace the models that the settings would choose, `passwords` hashes of the usual costs, and `tracing`
    what OpenTelemetry's variables would choose. Raises SettingsError for settings that contradict each other.
    """
    file = read_config_file(settings)
    plans = build_plans(settings, file)
    database = open_logged_database(settings)
    telemetry = build_telemetry(database, tracing)
    loop_lag = LoopLag(LagMeter(telemetry.metrics), monotonic=time.monotonic)
    transport = _transport(settings, telemetry, loop_lag, is_worker=is_worker)
    webhooks = build_webhooks(settings, database, telemetry, now=now)
    events = wanted_events(settings, webhooks.ports)
    accounts = build_accounts(
        settings, plans, database, transport, telemetry, passwords=passwords, webhooks=events, now=now
    )
    billing = build_billing(settings, plans, database, transport, webhooks=events, now=now)
    models = configured_providers(settings, file) if providers is None else providers
    chat = build_chat(settings, file, plans, database, transport, telemetry, providers=models, webhooks=events, now=now)
    modules = (accounts, billing, chat, webhooks)
    statistics = SqlStatistics(database, plans)
    collecting = Sweep("statistics", COLLECT_SECONDS, lambda: statistics.collect(billing.ports.worker_id, now=now()))
    return Parley(
        settings=settings,
        database=database,
        transport=transport,
        telemetry=telemetry,
        accounts=accounts.ports,
        billing=billing.ports,
        chat=chat.ports,
        webhooks=webhooks.ports,
        tasks={name: telemetry.task(name, task) for module in modules for name, task in module.tasks.items()},
        api_sweeps=tuple(sweep for module in modules for sweep in module.api_sweeps),
        statistics=statistics,
        worker_sweeps=(*(sweep for module in modules for sweep in module.worker_sweeps), collecting),
        shutdown=Shutdown(),
        loop_lag=loop_lag,
        on_api_shutdown=tuple(step for module in modules for step in module.on_api_shutdown),
        on_worker_shutdown=tuple(step for module in modules for step in module.on_worker_shutdown),
        close=(telemetry.tracing.close, database.close, *(close for module in modules for close in module.close)),
    )


def _transport(settings: Settings, telemetry: Telemetry, loop_lag: LoopLag, *, is_worker: bool) -> Transport:
    transport = choose_transport(
        settings,
        ready=loop_lag.recovered,
        outage=OutageLog("redis"),
        meter=RedisMeter(telemetry.metrics),
        is_worker=is_worker,
    )
    return telemetry.tracing.transport(transport)
