"""Wrapping the parts of parley in OpenTelemetry spans. Imported only where traces are on."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Literal

from litestar.types import ASGIApp
from opentelemetry.trace import TracerProvider

from parley.adapters.tracing import Traces
from parley.adapters.tracing.export import Export
from parley.adapters.tracing.replies import TracedChat, TracedMeter, TracedModel
from parley.adapters.tracing.server import TracedApp
from parley.adapters.tracing.work import TracedQueue, traced_work
from parley.adapters.worker.log_context import Work
from parley.bootstrap.telemetry import Tracing
from parley.bootstrap.transport import Transport
from parley.core.chat.catalogue import Provider
from parley.core.chat.ports import ReplyMeter
from parley.core.chat.stores import ChatUnitOfWork


class OpenTelemetry(Tracing):
    """Spans by that provider; `close` ends it."""

    def __init__(self, provider: TracerProvider, close: Callable[[], Awaitable[None]]) -> None:
        self._traces = Traces(provider)
        self._close = close

    def app(self, app: ASGIApp) -> ASGIApp:
        return TracedApp(app, self._traces)

    def transport(self, transport: Transport) -> Transport:
        if transport.broker is None:
            return replace(
                transport, queues={task: TracedQueue(queue, self._traces) for task, queue in transport.queues.items()}
            )
        # Taskiq is imported where there is a broker, and only there.
        from parley.adapters.tracing.labels import TraceLabels  # noqa: PLC0415

        transport.broker.add_middlewares(TraceLabels(self._traces))
        return transport

    def work(self, task: str, id_name: str, work: Work) -> Work:
        return traced_work(self._traces, task, id_name, work)

    def models(self, providers: Mapping[str, Provider]) -> Mapping[str, Provider]:
        return {
            name: replace(provider, writer=TracedModel(provider.writer, self._traces.tracer))
            for name, provider in providers.items()
        }

    def chat(self, uow: ChatUnitOfWork) -> ChatUnitOfWork:
        return TracedChat(uow, self._traces.tracer)

    def replies(self, meter: ReplyMeter) -> ReplyMeter:
        return TracedMeter(meter)

    async def close(self) -> None:
        await self._close()


def exported(to: Literal["otlp", "console"]) -> Tracing:
    export = Export(to)
    return OpenTelemetry(export.provider, export.close)
