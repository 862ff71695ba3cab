"""How a process remembers the trace that work belongs to."""

from contextlib import contextmanager
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind
from taskiq import TaskiqMessage

from parley.adapters.tracing import MOST_IDS, Traces, context_of, current, traceparent_of
from parley.adapters.tracing.labels import TraceLabels
from parley.bootstrap.telemetry import Tracing, choose_tracing

ID, OTHER = UUID(int=1), UUID(int=2)
FIRST = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LATER = "00-1bf7651916cd43dd8448eb211c80319d-b7ad6b7169203332-01"


@pytest.fixture
def traces():
    return Traces(TracerProvider(shutdown_on_exit=False))


@contextmanager
def inside(traces, kind):
    """Enters a span of this kind and yields its traceparent."""
    span = traces.tracer.start_span("any", kind=kind)
    with current(span):
        yield traceparent_of(span)


def message(id_, **labels):
    return TaskiqMessage(task_id="1", task_name="write_reply", labels=labels, args=[str(id_)], kwargs={})


def test_a_request_is_the_origin_of_the_ids_that_it_queues(traces):
    with inside(traces, SpanKind.SERVER) as request:
        assert traces.queued(ID) == request
    with inside(traces, SpanKind.SERVER):
        assert traces.queued(ID) == request


def test_a_worker_is_never_an_origin(traces):
    with inside(traces, SpanKind.CONSUMER):
        assert traces.queued(OTHER) is None
        assert TraceLabels(traces).pre_send(message(OTHER)).labels == {}


def test_without_a_span_there_is_no_origin(traces):
    assert traces.queued(ID) is None


def test_a_message_carries_the_origin_to_another_process(traces):
    with inside(traces, SpanKind.SERVER) as request:
        sent = TraceLabels(traces).pre_send(message(ID))
    assert sent.labels == {"traceparent": request}
    elsewhere = Traces(TracerProvider(shutdown_on_exit=False))
    TraceLabels(elsewhere).pre_execute(sent)
    assert elsewhere.origin(ID) == request


@pytest.mark.parametrize("label", [None, 7, ["a"]])
def test_a_label_that_is_not_text_is_ignored(traces, label):
    TraceLabels(traces).pre_execute(message(ID, traceparent=label))
    assert traces.origin(ID) is None


def test_the_first_origin_is_kept(traces):
    traces.remember(ID, FIRST)
    traces.remember(ID, LATER)
    assert traces.origin(ID) == FIRST


def test_the_oldest_ids_are_forgotten(traces):
    for number in range(MOST_IDS + 1):
        traces.remember(UUID(int=number), FIRST)
    assert traces.origin(UUID(int=0)) is None
    assert traces.origin(UUID(int=1)) == traces.origin(UUID(int=MOST_IDS)) == FIRST


@pytest.mark.parametrize(
    "traceparent", [None, "", "nonsense", FIRST.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32)]
)
def test_an_invalid_traceparent_gives_an_empty_context(traceparent):
    assert context_of(traceparent) == {}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
        {"OTEL_SDK_DISABLED": "True", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_TRACES_EXPORTER": "zipkin"},
    ],
)
def test_traces_are_off_by_default(environment):
    assert type(choose_tracing(environment)) is Tracing


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"},
        {"OTEL_TRACES_EXPORTER": "otlp"},
        {"OTEL_TRACES_EXPORTER": "console"},
    ],
)
async def test_traces_are_on_when_an_exporter_is_configured(environment):
    tracing = choose_tracing(environment)
    assert type(tracing) is not Tracing
    await tracing.close()
