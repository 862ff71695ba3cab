"""Whether there are traces."""

import os
from collections.abc import Mapping

import structlog
from litestar.types import ASGIApp

from parley.adapters.worker.about import Work
from parley.bootstrap.wires import Wire
from parley.core.chat.catalogue import Provider
from parley.core.chat.ports import ChatUnitOfWork, ReplyMeter

log = structlog.get_logger("parley.traces")


class Tracing:
    """What traces put around the parts of parley. This is that of no traces: all stays as it is."""

    def app(self, app: ASGIApp) -> ASGIApp:
        return app

    def wire(self, wire: Wire) -> Wire:
        return wire

    def work(self, task: str, id_name: str, work: Work) -> Work:  # noqa: ARG002  for those that override it
        return work

    def models(self, providers: Mapping[str, Provider]) -> Mapping[str, Provider]:
        return providers

    def chat(self, uow: ChatUnitOfWork) -> ChatUnitOfWork:
        return uow

    def replies(self, meter: ReplyMeter) -> ReplyMeter:
        return meter

    async def close(self) -> None:
        """Hand over what is left."""


def chosen_tracing(environment: Mapping[str, str] = os.environ) -> Tracing:
    """As the variables say that belong to OpenTelemetry. Without them nothing of it is imported."""
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
    """Its name as OTEL_TRACES_EXPORTER has it. Unlike in the SDK an endpoint must be named: silence means none."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return "none"
    endpoints = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    implied = "otlp" if any(environment.get(name) for name in endpoints) else "none"
    return environment.get("OTEL_TRACES_EXPORTER") or implied
