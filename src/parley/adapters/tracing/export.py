"""Where spans go. All that can be set there is set by OpenTelemetry's own variables, which its SDK reads."""

import asyncio
import threading
from typing import Literal

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

# A collector that does not answer must not hold up a process that leaves.
FLUSH_SECONDS = 3.0


class Export:
    """A provider whose spans are sent in the background."""

    def __init__(self, to: Literal["otlp", "console"]) -> None:
        exporter: SpanExporter = OTLPSpanExporter() if to == "otlp" else ConsoleSpanExporter()
        self.provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self.provider.add_span_processor(BatchSpanProcessor(exporter))

    async def close(self) -> None:
        """Send what is left, for FLUSH_SECONDS; what cannot be sent by then is lost."""
        # A daemon: the end of a process waits for every other thread.
        flushing = threading.Thread(target=self.provider.shutdown, name="traces", daemon=True)
        flushing.start()
        await asyncio.to_thread(flushing.join, FLUSH_SECONDS)


def _resource() -> Resource:
    """The service is called parley unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES says otherwise."""
    return Resource.create({SERVICE_NAME: "parley"} | dict(OTELResourceDetector().detect().attributes))
