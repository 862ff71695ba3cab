"""A real OTLP/HTTP collector that keeps what it is sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """Ids are in hexadecimal; a root's `parent` is empty. `process` is the SDK's id of the process that sent it."""

    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    events: list[str]
    service: str
    process: str


class TraceCollector(ThreadingHTTPServer):
    """Keeps the spans of every POST to /v1/traces, and as they came in `bodies`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Span] = []
        self.bodies: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def named(self, name: str, **attributes: object) -> list[Span]:
        return [span for span in self.spans if span.name == name and attributes.items() <= span.attributes.items()]

    def keep(self, body: bytes) -> None:
        self.bodies.append(body)
        for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = _values(sent.resource.attributes)
            self.spans += [_span(each, about) for scope in sent.scope_spans for each in scope.spans]


@contextmanager
def trace_collector() -> Iterator[TraceCollector]:
    with TraceCollector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: TraceCollector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/traces":
            self.server.keep(body)
        self.send_response(200 if self.path == "/v1/traces" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


def _span(sent: Any, about: dict[str, Any]) -> Span:
    return Span(
        name=sent.name,
        trace=sent.trace_id.hex(),
        id=sent.span_id.hex(),
        parent=sent.parent_span_id.hex(),
        attributes=_values(sent.attributes),
        events=[event.name for event in sent.events],
        service=about["service.name"],
        process=about["service.instance.id"],
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
