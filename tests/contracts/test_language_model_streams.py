"""How the bytes of an answer may be spelled: each stream comes in HTTP chunks of the test's choice."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from parley.adapters.models.sse import EventTooLarge
from parley.adapters.models.vendor_model import AFTER_FINISH_SECONDS
from parley.core.chat.errors import ModelUnavailable
from parley.core.chat.language_model import Finished, SignOfLife, Text
from parley.core.chat.tokens import TokenUsage
from tests.contracts.model_formats import GEMINI, OPENAI, Connection, Format, connected, events

INTERRUPTED = (ModelUnavailable, "model_interrupted")
TEXT = "naïve 日本 👩‍👧 \u2028\u0085"


@pytest.fixture(params=[OPENAI, GEMINI], ids=lambda form: form.name)
async def connection(request: pytest.FixtureRequest) -> AsyncIterator[Connection]:
    async with connected(request.param) as opened:
        yield opened


def stream(form: Format) -> bytes:
    unescaped = json.dumps(json.loads(form.text(TEXT)), ensure_ascii=False)
    return events(form.text("Hello"), unescaped, form.end(form.stopped), form.counts(3, 4), "[DONE]")


SPELLINGS = {
    "LF": lambda text: text,
    "CRLF": lambda text: text.replace(b"\n", b"\r\n"),
    "CR": lambda text: text.replace(b"\n", b"\r"),
    "no space": lambda text: text.replace(b"data: ", b"data:"),
    "many spaces": lambda text: text.replace(b"data: ", b"data:  \t ").replace(b"\n\n", b"  \n\n"),
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "comments": lambda text: b": hi\n\n" + text.replace(b"data:", b":data: x\n: keep-alive\ndata:") + b":\n\n",
    "other fields": lambda text: (
        b"retry: 9\n\nid: 1\n\n" + text.replace(b"data:", b"event: message\nid: 2\nodd\ndata:")
    ),
    "blank lines": lambda text: b"\n\n" + text.replace(b"\n\n", b"\n\n\n"),
    "empty data": lambda text: b"data:\n\n" + text.replace(b"\n\n", b"\n\ndata: \n\ndata\n\n"),
    "one newline": lambda text: text.replace(b"\n\n", b"\n"),
    "no last blank line": lambda text: text.rstrip(),
    "no last event": lambda text: text.replace(b"data: [DONE]\n\n", b""),
    "lines of data": lambda text: text.replace(b'"index":', b'\ndata: "index":\n: a comment\ndata\ndata:'),
    "JSON lines": lambda text: text.replace(b"data: ", b"").replace(b"\n\n", b"\n").replace(b"[DONE]\n", b""),
    "a JSON list": lambda text: b"[" + b",\n".join(text.replace(b"data: ", b"").split(b"\n\n")[:-2]) + b"]\n",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_a_stream_is_read_however_it_is_spelled(connection: Connection, spelling: str) -> None:
    spelled = SPELLINGS[spelling](stream(connection.format))
    for size in (1, 7, 9_999):
        received = await connection.receive(*(spelled[start : start + size] for start in range(0, len(spelled), size)))
        assert (received.failure, received.texts) == (None, ["Hello", TEXT])
        assert received.finished.usage == TokenUsage(3, 4)


async def test_a_stream_may_be_cut_at_any_byte(connection: Connection) -> None:
    spelled = SPELLINGS["CRLF"](SPELLINGS["lines of data"](stream(connection.format)))
    for cut in range(len(spelled)):
        received = await connection.receive(spelled[:cut], spelled[cut:])
        assert (received.failure, received.texts) == (None, ["Hello", TEXT]), cut


@pytest.mark.parametrize("left", [0, 20])
async def test_a_stream_that_ends_before_its_end_is_interrupted(connection: Connection, left: int) -> None:
    form = connection.format
    received = await connection.receive(events(form.text("Hello")), events(form.end(form.stopped))[:left])
    assert (received.texts, received.failure) == (["Hello"], INTERRUPTED)


@pytest.mark.parametrize("sent", [b": keep-alive\n\n", b"data:\n\n", b"data: {}\n\n", b'data: {"id":"x","cho'])
async def test_whatever_arrives_is_a_sign_of_life(connection: Connection, sent: bytes) -> None:
    form = connection.format
    received = await connection.receive(sent, end=None)
    assert received.signs_of_life == 1
    whole = await connection.receive(events(form.text("Hello"), form.end(form.stopped)))
    assert [type(event) for event in whole.events] == [Text, Finished]


async def test_nothing_counts_after_done_and_the_connection_serves_the_next_reply() -> None:
    async with connected(OPENAI) as connection:
        answer = events(OPENAI.text("Hello"), OPENAI.end("stop"), "[DONE]", OPENAI.text("Hello"))
        for _ in range(3):
            received = await connection.receive(answer, b"data: {\n\n" * 9)
            assert (received.text, received.failure) == ("Hello", None)
        assert connection.server.connections == 1


async def test_an_answer_is_whole_when_the_server_does_not_end_after_done(connection: Connection) -> None:
    form = connection.format
    received = await connection.receive(events(form.text("Hello"), form.end(form.stopped)), events("[DONE]"), end=b"")
    assert (received.text, received.failure) == ("Hello", None)


async def test_an_answer_is_whole_when_nothing_follows_its_finish_reason() -> None:
    async with connected(OPENAI) as connection, asyncio.timeout(AFTER_FINISH_SECONDS * 2):
        received = await connection.receive(events(OPENAI.text("Hello"), OPENAI.end("stop")), end=b"")
    assert (received.text, received.failure) == ("Hello", None)


async def test_heartbeats_after_a_finish_reason_do_not_prolong_the_answer() -> None:
    async with connected(OPENAI) as connection, asyncio.timeout(AFTER_FINISH_SECONDS * 2):
        received = await connection.receive(events(OPENAI.text("Hello"), OPENAI.end("stop")), heartbeat=b": ping\n\n")
    assert (received.text, received.failure) == ("Hello", None)


async def test_an_answer_is_whole_when_the_connection_breaks_after_its_finish_reason(connection: Connection) -> None:
    form = connection.format
    received = await connection.receive(events(form.text("Hello"), form.end(form.stopped)), end=None)
    assert (received.text, received.failure) == ("Hello", None)


async def test_a_connection_that_breaks_before_is_unavailable(connection: Connection) -> None:
    form = connection.format
    received = await connection.receive(events(form.text("Hello"), form.counts(3, 4)), end=None)
    assert (received.text, received.failure) == ("Hello", (ModelUnavailable, "model_unavailable"))
    assert received.error.usage == TokenUsage(3, 4)


async def test_an_event_that_never_ends_is_given_up(connection: Connection) -> None:
    received = await connection.receive(b"data: {", *[b'"a":"' + b"x" * 2**20] * 17)
    assert received.failure == INTERRUPTED
    assert isinstance(received.error.__cause__, EventTooLarge)


async def test_counts_on_the_way_are_signs_of_life_that_carry_them(connection: Connection) -> None:
    form = connection.format
    parts = (form.counts(3, 0), form.text("Hello"), form.counts(3, 2), form.text(" again"), form.end(form.stopped))
    received = await connection.receive(*map(events, parts))
    counted = [event.usage for event in received.events if isinstance(event, SignOfLife) and event.usage is not None]
    # The bytes of several events may arrive together: then the last count stands for all.
    assert counted[-1] == TokenUsage(3, 2)
    assert received.text == "Hello again"
    assert received.finished.usage == TokenUsage(3, 2)
