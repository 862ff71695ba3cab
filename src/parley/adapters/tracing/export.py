"""The export of spans, configured by OpenTelemetry's own environment variables, which its SDK reads."""

import asyncio
import threading
from typing import Literal

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

# An unresponsive collector must not delay the shutdown.
FLUSH_SECONDS = 3.0


class Export:
    """A tracer provider that sends its spans in the background."""

    def __init__(self, to: Literal["otlp", "console"]) -> None:
        exporter: SpanExporter = OTLPSpanExporter() if to == "otlp" else ConsoleSpanExporter()
        self.provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self.provider.add_span_processor(BatchSpanProcessor(exporter))

    async def close(self) -> None:
        """Send the remaining spans for at most FLUSH_SECONDS; spans that are not sent by then are lost."""
        # A daemon thread, since the exit of the process waits for all other threads.
        flushing = threading.Thread(target=self.provider.shutdown, name="traces", daemon=True)
        flushing.start()
        await asyncio.to_thread(flushing.join, FLUSH_SECONDS)


def _resource() -> Resource:
    """The service name is parley unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES sets another."""
    return Resource.create({SERVICE_NAME: "parley"} | dict(OTELResourceDetector().detect().attributes))
