"""The processes of parley: the HTTP application, and what runs beside it or in a worker."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from uuid import UUID

from litestar import Litestar
from litestar.types import ASGIApp

from parley.adapters.http.app import create_app, create_litestar
from parley.adapters.http.ports import HttpPorts
from parley.adapters.http.server.connections import Connections
from parley.adapters.memory.rate_limit import MemoryRateLimiter
from parley.adapters.sql.engine.earlier_process import release_all
from parley.adapters.sql.engine.migrate import has_current
from parley.adapters.worker.in_process import InProcessWorker
from parley.adapters.worker.log_context import Work
from parley.adapters.worker.sweeper import Sweeper
from parley.bootstrap import Parley
from parley.bootstrap.database import exclusive_use, prepare_schema
from parley.bootstrap.transport import OWN_TASKS, PROCESS_EVENT, WRITE_REPLY
from parley.core.accounts.request_limit import RequestLimit
from parley.core.health import Check
from parley.core.in_use import InUse
from parley.runtime.gc_tuning import full_collections
from parley.runtime.open_files import connections_within_file_limit
from parley.runtime.shutdown import on_shutdown_signal
from parley.runtime.waiting import wait_until_usable


def api_application(parley: Parley, *, routes: Litestar | None = None) -> ASGIApp:
    """The whole HTTP application; its lifespan is `api_process`. `routes` are those that were made before, if any."""
    settings = parley.settings
    app = create_app(
        litestar_application(parley) if routes is None else routes,
        http_ports(parley),
        trusted_proxies=settings.proxies,
        connections=Connections(
            total=connections_within_file_limit(settings.max_connections),
            per_address=settings.max_connections_per_address,
            shared=settings.proxies,
        ),
    )
    return parley.telemetry.tracing.app(app)


def litestar_application(parley: Parley) -> Litestar:
    """Only the routes, which have the OpenAPI document."""
    return create_litestar(
        http_ports(parley), cors_origins=parley.settings.cors_origins, background=partial(api_process, parley)
    )


def http_ports(parley: Parley) -> HttpPorts:
    settings, billing = parley.settings, parley.billing
    return HttpPorts(
        accounts=parley.accounts,
        billing=billing,
        chat=parley.chat,
        webhooks=parley.webhooks,
        sandbox_billing=replace(billing, event_queue=_ImmediateQueue(parley.tasks[PROCESS_EVENT])),
        statistics=parley.statistics,
        rate_limiter=parley.transport.rate_limiter,
        account_requests=RequestLimit(
            limit=settings.account_requests_per_minute,
            local=MemoryRateLimiter(time.monotonic),
            shared=parley.transport.rate_limiter,
            audit=parley.accounts.audit,
        ),
        exports=InUse(1),
        health_checks=_health_checks(parley) | {"leaving": parley.shutdown.not_requested},
        public_url=settings.public_url.rstrip("/"),
        frontend_url=settings.frontend_url,
        meter=parley.telemetry.requests,
        scrape=parley.telemetry.scrape,
        metrics_token=settings.metrics_token,
        admin_token=settings.admin_token,
        auth_requests_per_minute=settings.auth_requests_per_minute,
        docs_served=settings.docs_served,
        chat_page_served=settings.chat_page_served,
        only_local="response" in settings.otp_sender and not settings.allow_shown_codes,
        webhook_open=bool(settings.stripe_webhook_secret),
        overloaded=parley.loop_lag.overloaded,
    )


def _health_checks(parley: Parley) -> dict[str, Check]:
    return {
        "database": parley.database.answers,
        "schema": partial(has_current, parley.database),
        **parley.transport.health_checks,
    }


class _ImmediateQueue:
    """An EventQueue that processes the event before it returns, for the sandbox: payment changes the plan at once."""

    def __init__(self, process: Work) -> None:
        self._process = process

    async def put(self, event_id: UUID, /) -> None:
        await self._process(event_id)


@asynccontextmanager
async def api_process(parley: Parley) -> AsyncGenerator[None, None]:
    """What runs beside the API; without Redis a worker too.

    Raises SettingsError for a database that another process serves or parley cannot use.
    """
    transport = parley.transport
    with exclusive_use(parley.settings):
        async with _opened(parley) as stack:
            await stack.enter_async_context(transport.in_api())
            await stack.enter_async_context(Sweeper(*parley.api_sweeps, meter=parley.telemetry.sweeps).running())
            for task, queue in transport.in_process_queues.items():
                ready = parley.loop_lag.recovered if task == WRITE_REPLY else None
                worker = InProcessWorker(ids=queue, work=parley.tasks[task], ready=ready)
                await stack.enter_async_context(worker.running())
            if transport.in_process_queues:
                await release_all(parley.database)
                await stack.enter_async_context(Sweeper(*parley.worker_sweeps, meter=parley.telemetry.sweeps).running())
            for step in (*parley.on_api_shutdown, parley.shutdown.begin):
                stack.enter_context(on_shutdown_signal(step))
            yield


@asynccontextmanager
async def worker_process(parley: Parley) -> AsyncGenerator[None, None]:
    """What runs in a worker besides its tasks; on a shutdown signal it releases its replies.

    It begins once parley can use the database; a shutdown signal before then ends the process.
    """
    async with _opened(parley, wait=wait_until_usable) as stack:
        stack.enter_context(parley.telemetry.worker_listener(parley.settings, _health_checks(parley)))
        await stack.enter_async_context(parley.transport.in_worker())
        for task, ids in parley.transport.own_queues.items():
            worker = InProcessWorker(ids=ids, work=parley.tasks[task], ready=parley.loop_lag.recovered, most=OWN_TASKS)
            await stack.enter_async_context(worker.running())
        await stack.enter_async_context(Sweeper(*parley.worker_sweeps, meter=parley.telemetry.sweeps).running())
        for step in parley.on_worker_shutdown:
            stack.enter_context(on_shutdown_signal(step))
        yield


async def _at_once(prepare: Callable[[], Awaitable[None]]) -> None:
    await prepare()


@asynccontextmanager
async def _opened(
    parley: Parley, *, wait: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]] = _at_once
) -> AsyncGenerator[AsyncExitStack, None]:
    async with parley.closing(), AsyncExitStack() as stack:
        await wait(partial(prepare_schema, parley.settings, parley.database))
        await stack.enter_async_context(parley.loop_lag.running())
        await stack.enter_async_context(full_collections())
        yield stack
