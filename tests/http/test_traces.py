"""Traces follow each message from its POST to the worker's last write, and contain no user input."""

import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from parley.bootstrap import bootstrap
from parley.bootstrap.opentelemetry import OpenTelemetry
from parley.core.chat.catalogue import Provider
from parley.core.chat.errors import ModelUnavailable
from parley.settings import read_settings
from tests.http.document import Document
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import MIRA, SETTINGS, Clock, Person, Site, opened, until

SECRET = "a thought of Mira's"
TRACE = "0af7651916cd43dd8448eb211c80319c"
MESSAGE_ROUTE = "POST /chatroom/{chatroom_id}/message"


class Spans:
    """The spans that have ended."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._memory))
        self.closed = False

    async def close(self) -> None:
        self.closed = True

    def all(self) -> list[ReadableSpan]:
        return list(self._memory.get_finished_spans())

    def named(self, name: str, **attributes: object) -> list[ReadableSpan]:
        wanted = {f"parley.{key}": value for key, value in attributes.items()}.items()
        return [span for span in self.all() if span.name == name and wanted <= dict(span.attributes).items()]

    def under(self, parent: ReadableSpan) -> list[str]:
        """The names of its child spans in order, without renewals of the lease."""
        children = [span for span in self.all() if span.parent and span.parent.span_id == parent.context.span_id]
        names = [span.name for span in sorted(children, key=lambda span: span.start_time)]
        return [name for name in names if name != "replies.renew"]

    async def written(self, reply: dict[str, str], **attributes: object) -> ReadableSpan:
        """Wait for the last `write_reply` span of a reply, which ends after clients see the end of the reply."""

        async def done() -> bool:
            return bool(self.named("write_reply", reply_id=reply["id"], **attributes))

        await until(done)
        return self.named("write_reply", reply_id=reply["id"], **attributes)[-1]


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
async def site(
    spans: Spans, empty_database: Path, tmp_path: Path, clock: Clock, model: ScriptedModel, document: Document
) -> AsyncGenerator[Site, None]:
    file = shutil.copy(empty_database, tmp_path / "parley.db")
    parley = bootstrap(
        read_settings(SETTINGS | {"DATABASE_URL": f"sqlite:///{file}"}, dotenv=tmp_path / "no.env"),
        providers={"scripted": Provider(model, ("one", "two"))},
        tracing=OpenTelemetry(spans.provider, spans.close),
        now=clock,
    )
    async with opened(parley, clock, model, document) as made:
        yield made
    assert spans.closed


def trace_of(span: ReadableSpan) -> str:
    return f"{span.context.trace_id:032x}"


async def test_a_message_is_one_trace_from_its_post_to_its_last_write(spans: Spans, mira: Person) -> None:
    reply = await mira.ask(await mira.new_room())
    await mira.ended(reply["reply"])
    work = await spans.written(reply["reply"], end="completed")
    [post] = spans.named(MESSAGE_ROUTE)
    assert post.kind is SpanKind.SERVER
    assert work.parent.span_id == post.context.span_id
    assert trace_of(work) == trace_of(post)
    assert dict(work.attributes) == {
        "parley.reply_id": reply["reply"]["id"],
        "parley.attempt": 1,
        "parley.model": "scripted/one",
        "parley.end": "completed",
    }
    assert spans.under(work) == ["replies.claim", "ask_model", "replies.end"]


async def test_the_span_of_a_model_call_has_an_event_for_the_first_text(spans: Spans, mira: Person) -> None:
    reply = await mira.ask(await mira.new_room())
    await mira.ended(reply["reply"])
    await spans.written(reply["reply"])
    [call] = spans.named("ask_model")
    assert dict(call.attributes) == {"gen_ai.request.model": "one"}
    assert [event.name for event in call.events] == ["first_text"]


async def test_the_span_of_a_request_has_its_route_status_and_id(spans: Spans, mira: Person) -> None:
    room = await mira.new_room()
    answer = await mira.get(f"/chatroom/{room}", headers={"X-Request-ID": "mine"})
    assert answer.status_code == 200
    [span] = spans.named("GET /chatroom/{chatroom_id}")
    assert dict(span.attributes) == {
        "http.request.method": "GET",
        "http.route": "/chatroom/{chatroom_id}",
        "http.response.status_code": 200,
        "parley.request_id": "mine",
    }


async def test_a_request_continues_the_trace_of_the_client(spans: Spans, mira: Person) -> None:
    await mira.get("/models", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "tracestate": "who=mira"})
    [span] = spans.named("GET /models")
    assert trace_of(span) == TRACE
    assert not span.context.trace_state


@pytest.mark.parametrize("traceparent", ["", "nonsense", f"00-{'0' * 32}-b7ad6b7169203331-01", "é"])
async def test_an_invalid_traceparent_starts_a_new_trace(spans: Spans, mira: Person, traceparent: str) -> None:
    answer = await mira.get("/models", headers={"traceparent": traceparent.encode()})
    assert answer.status_code == 200
    [span] = spans.named("GET /models")
    assert span.parent is None


async def test_probes_have_no_spans_and_unknown_addresses_are_not_recorded(spans: Spans, site: Site) -> None:
    visitor = site.visitor()
    await visitor.get("/health/live")
    await visitor.get("/metrics")
    await visitor.get("/nowhere/at-all?ticket=secret")
    [span] = spans.all()
    assert (span.name, span.attributes["http.response.status_code"]) == ("GET", 404)


async def test_an_unknown_method_is_not_recorded(spans: Spans, site: Site) -> None:
    await site.visitor().request("MIRAS-SECRET", "/models")
    [span] = spans.all()
    assert "MIRAS" not in span.to_json()


async def test_a_server_error_sets_the_status_of_the_span(spans: Spans, mira: Person, clock: Clock) -> None:
    clock.fault = RuntimeError(SECRET)
    answer = await mira.post("/auth/send-otp", json={"mobile_number": MIRA})
    clock.fault = None
    assert answer.status_code == 500
    assert spans.named("POST /auth/send-otp")[-1].status.status_code is StatusCode.ERROR


async def test_a_failing_model_call_is_recorded_by_the_type_of_its_error(
    spans: Spans, model: ScriptedModel, mira: Person
) -> None:
    model.on("Hello", ModelUnavailable("model_unavailable", SECRET), ModelUnavailable("model_unavailable", SECRET))
    model.on("Hello", "Hi.")
    reply = await mira.ask(await mira.new_room())
    assert (await mira.ended(reply["reply"]))["status"] == "completed"
    last = await spans.written(reply["reply"], end="completed")
    first = next(span for span in spans.named("write_reply") if span.attributes["parley.attempt"] == 1)
    assert spans.under(first) == ["replies.claim", "ask_model", "replies.postpone"]
    assert [(event.name, dict(event.attributes)) for event in first.events] == [
        ("attempt_failed", {"parley.code": "model_unavailable"})
    ]
    call = next(span for span in spans.named("ask_model") if span.parent.span_id == first.context.span_id)
    assert (call.status.status_code, call.attributes["error.type"]) == (StatusCode.ERROR, "ModelUnavailable")
    # The sweeper queued it again, in the process that remembers its trace.
    assert trace_of(last) == trace_of(first)


async def test_a_reply_that_waited_for_an_earlier_one_stays_in_its_own_trace(
    spans: Spans, model: ScriptedModel, mira: Person
) -> None:
    gate = Gate()
    model.on("First", gate, "One.")
    room = await mira.new_room()
    first = (await mira.ask(room, "First"))["reply"]
    await gate.reached()
    second = (await mira.ask(room, "Second"))["reply"]
    gate.open()
    await mira.ended(second)
    works = [await spans.written(reply, end="completed") for reply in (first, second)]
    posts = sorted(spans.named(MESSAGE_ROUTE), key=lambda span: span.start_time)
    assert [trace_of(work) for work in works] == [trace_of(post) for post in posts]
    assert trace_of(works[0]) != trace_of(works[1])


async def test_no_span_contains_user_input(spans: Spans, model: ScriptedModel, site: Site, mira: Person) -> None:
    model.on(SECRET, ModelUnavailable("model_unavailable", SECRET))
    model.on(SECRET, "An answer to ", SECRET)
    room = await mira.new_room(SECRET, instructions=SECRET)
    accepted = await mira.ask(room, SECRET)
    await mira.ended(accepted["reply"])
    await spans.written(accepted["reply"], end="completed")
    _, _, ticket = accepted["stream_url"].partition("?ticket=")
    assert (await site.visitor().get(accepted["stream_url"])).status_code == 200
    assert spans.named("GET /chatroom/{chatroom_id}/messages/{message_id}/stream")
    text = "\n".join(span.to_json() for span in spans.all())
    assert [word for word in (SECRET, MIRA, mira.token, ticket) if word in text] == []
