"""What a process knows of the traces that work belongs to."""

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
    """Gives the traceparent of a span of that kind, while that is the current one."""
    span = traces.tracer.start_span("any", kind=kind)
    with current(span):
        yield traceparent_of(span)


def message(id_, **labels):
    return TaskiqMessage(task_id="1", task_name="write_reply", labels=labels, args=[str(id_)], kwargs={})


def test_a_request_is_the_origin_of_what_it_queues(traces):
    with inside(traces, SpanKind.SERVER) as request:
        assert traces.queued(ID) == request
    with inside(traces, SpanKind.SERVER):
        assert traces.queued(ID) == request


def test_a_worker_is_the_origin_of_nothing(traces):
    with inside(traces, SpanKind.CONSUMER):
        assert traces.queued(OTHER) is None
        assert TraceLabels(traces).pre_send(message(OTHER)).labels == {}


def test_nothing_is_the_origin_where_no_span_is(traces):
    assert traces.queued(ID) is None


def test_a_message_carries_the_origin_to_another_process(traces):
    with inside(traces, SpanKind.SERVER) as request:
        sent = TraceLabels(traces).pre_send(message(ID))
    assert sent.labels == {"traceparent": request}
    elsewhere = Traces(TracerProvider(shutdown_on_exit=False))
    TraceLabels(elsewhere).pre_execute(sent)
    assert elsewhere.origin(ID) == request


@pytest.mark.parametrize("label", [None, 7, ["a"]])
def test_a_label_that_is_no_word_is_none(traces, label):
    TraceLabels(traces).pre_execute(message(ID, traceparent=label))
    assert traces.origin(ID) is None


def test_what_was_heard_first_stays(traces):
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
def test_what_is_no_traceparent_is_no_context(traceparent):
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
def test_there_are_none_unless_asked_for(environment):
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
async def test_there_are_some_where_asked_for(environment):
    tracing = choose_tracing(environment)
    assert type(tracing) is not Tracing
    await tracing.close()
