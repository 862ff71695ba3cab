"""The product, wired, and how its processes start and leave."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from litestar import Litestar
from litestar.types import ASGIApp

from parley.adapters.http.app import create_app, create_litestar
from parley.adapters.http.ports import HttpPorts
from parley.adapters.sql.database import Database
from parley.adapters.sql.schema import migrate, require_current
from parley.adapters.worker.about import Work
from parley.adapters.worker.in_process import InProcessWorker
from parley.adapters.worker.sweeper import Sweeper
from parley.adapters.worker.writing import Writing
from parley.alone import alone
from parley.bootstrap.metering import Metering
from parley.bootstrap.tracing import Tracing
from parley.bootstrap.wires import Wire
from parley.leaving import Leaving, on_leaving
from parley.settings import Settings


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
