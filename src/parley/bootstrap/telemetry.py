"""Metrics and traces: what operators see of a process."""

import os
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import current_process

import structlog
from litestar.types import ASGIApp

from parley.adapters.metrics import Metrics
from parley.adapters.metrics.meters import CountedAudit, HttpMeter, LoggedReplies, SweepMeter
from parley.adapters.metrics.scrape import Scrape
from parley.adapters.sql.backlog import SqlBacklog
from parley.adapters.sql.engine.database import Database
from parley.adapters.worker.log_context import Work, with_log_context
from parley.bootstrap.built_module import Task
from parley.bootstrap.transport import Transport
from parley.core.accounts.ports import AuditTrail
from parley.core.chat.catalogue import Provider
from parley.core.chat.ports import ReplyMeter
from parley.core.chat.stores import ChatUnitOfWork
from parley.core.health import Checks
from parley.settings import Settings

log = structlog.get_logger("parley.traces")


class Tracing:
    """Wraps the parts of parley in spans. This class is for no traces: it returns everything as it is."""

    def app(self, app: ASGIApp) -> ASGIApp:
        return app

    def transport(self, transport: Transport) -> Transport:
        return transport

    def work(self, task: str, id_name: str, work: Work) -> Work:  # noqa: ARG002  for subclasses
        return work

    def models(self, providers: Mapping[str, Provider]) -> Mapping[str, Provider]:
        return providers

    def chat(self, uow: ChatUnitOfWork) -> ChatUnitOfWork:
        return uow

    def replies(self, meter: ReplyMeter) -> ReplyMeter:
        return meter

    async def close(self) -> None:
        """Send what has not been sent yet."""


@dataclass(frozen=True, kw_only=True)
class Telemetry:
    """The meters of one process, what Prometheus reads of them, and the tracing."""

    metrics: Metrics
    requests: HttpMeter
    replies: ReplyMeter
    sweeps: SweepMeter
    scrape: Scrape
    tracing: Tracing

    def counted(self, audit: AuditTrail) -> AuditTrail:
        return CountedAudit(audit, self.metrics)

    def task(self, name: str, task: Task) -> Work:
        """The task's work with its id in every log line and, where there are traces, in a span."""
        return self.tracing.work(name, task.id_name, with_log_context(task.id_name, task.work))

    @contextmanager
    def worker_listener(self, settings: Settings, checks: Checks) -> Generator[None, None, None]:
        """Serve a worker's metrics and health on its own port, where the settings name one.

        The second process of a `taskiq worker` takes the next port.
        """
        if not settings.worker_metrics_port:
            yield
            return
        # http.server is not needed otherwise.
        from parley.adapters.metrics.listener import listening  # noqa: PLC0415

        port = settings.worker_metrics_port + process_number(current_process().name)
        with listening(self.metrics, port=port, token=settings.metrics_token, checks=checks):
            yield


def build_telemetry(database: Database, tracing: Tracing | None) -> Telemetry:
    metrics, read_backlog = Metrics(), SqlBacklog(database)
    return Telemetry(
        metrics=metrics,
        requests=HttpMeter(metrics),
        replies=LoggedReplies(metrics),
        sweeps=SweepMeter(metrics),
        scrape=Scrape(metrics, read_backlog, monotonic=time.monotonic),
        tracing=tracing or choose_tracing(),
    )


def process_number(name: str) -> int:
    """taskiq names its processes worker-0, worker-1, and so on; a process that replaces another has its name."""
    _, _, number = name.rpartition("-")
    return int(number) if name.startswith("worker-") and number.isdecimal() else 0


def choose_tracing(environment: Mapping[str, str] = os.environ) -> Tracing:
    """Chosen by OpenTelemetry's own variables. Without them nothing of OpenTelemetry is imported."""
    exporter = _exporter(environment)
    if exporter == "none":
        return Tracing()
    if exporter not in {"otlp", "console"}:
        log.warning("traces_off", reason="OTEL_TRACES_EXPORTER is neither otlp nor console", given=exporter)
        return Tracing()
    try:
        from parley.bootstrap.opentelemetry import exported  # noqa: PLC0415
    except ImportError as error:
        log.warning("traces_off", reason="its packages are missing: pip install '.[otel]'", missing=error.name)
        return Tracing()
    return exported("console" if exporter == "console" else "otlp")


def _exporter(environment: Mapping[str, str]) -> str:
    """The exporter that OTEL_TRACES_EXPORTER names. Unlike in the SDK, none is used unless an endpoint is named."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return "none"
    endpoints = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    implied = "otlp" if any(environment.get(name) for name in endpoints) else "none"
    return environment.get("OTEL_TRACES_EXPORTER") or implied
