"""What servers that speak OpenAI's format send, as bytes: each stream comes in HTTP chunks of the test's choice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from parley.adapters.models.openai_compatible import OpenAICompatibleModel
from parley.core.chat.errors import ModelUnavailable
from parley.core.chat.model import TokenUsage
from tests.contracts.model_fixtures import KEY, Heard, Subject

PIECE = b'data: {"choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n'
HELLO = PIECE % b"Hello"
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
COUNTS = b'data: {"choices":[],"usage":{"prompt_tokens":%b,"completion_tokens":%b,"total_tokens":9}}\n\n'
INTERRUPTED = (ModelUnavailable, "model_interrupted")


class Sender:
    """A server that answers every request with `parts`, each an HTTP chunk, and keeps its connections."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.end = b"0\r\n\r\n"
        self.connections: set[asyncio.Task[None]] = set()
        self.connected = 0

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return "http://127.0.0.1:{1}/v1".format(*self._server.sockets[0].getsockname())

    async def stop(self) -> None:
        self._server.close()
        for connection in self.connections:
            connection.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        self.connections.add(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
                chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in self.parts if part)
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + self.end)
                await writer.drain()
        writer.close()


class Speaker(Subject):
    """The adapter, and what it hears when its server sends something."""

    async def hear(self, sender: Sender, *parts: bytes) -> Heard:
        sender.parts = list(parts)
        return await self.answer("Speak!")


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    sender = Sender()
    yield sender
    await sender.stop()


@pytest.fixture
async def speaker(sender: Sender) -> AsyncIterator[Speaker]:
    adapter = OpenAICompatibleModel(api_key=KEY, base_url=await sender.start())
    yield Speaker(adapter, "any", "")
    await adapter.close()


SPELLINGS = {
    "LF": lambda text: text,
    "CRLF": lambda text: text.replace(b"\n", b"\r\n"),
    "CR": lambda text: text.replace(b"\n", b"\r"),
    "no space": lambda text: text.replace(b"data: ", b"data:"),
    "comments": lambda text: b": hi\n\n" + text.replace(b"data", b":data: x\n: keep-alive\ndata") + b":\n\n",
    "other fields": lambda text: b"retry: 9\n\nid: 1\n\n" + text.replace(b"data", b"event: message\nid: 2\nodd\ndata"),
    "blank lines": lambda text: b"\n\n" + text.replace(b"\n\n", b"\n\n\n"),
    "lines of data": lambda text: text.replace(b'"delta":', b'\ndata: "delta":\n: a comment\ndata\ndata:'),
}


TOLD = "naïve 日本 👩‍👧 \u2028\u0085"
STREAM = HELLO + PIECE % TOLD.encode() + STOP + COUNTS % (b"3", b"4") + DONE


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("size", [1, 2, 7, 9_999])
async def test_a_stream_is_read_however_it_is_spelled(
    speaker: Speaker, sender: Sender, spelling: str, size: int
) -> None:
    stream = SPELLINGS[spelling](STREAM)
    heard = await speaker.hear(sender, *(stream[start : start + size] for start in range(0, len(stream), size)))
    assert (heard.fault, heard.pieces) == (None, ["Hello", TOLD])
    assert heard.finished[0].usage == TokenUsage(3, 4)


async def test_a_stream_may_be_cut_at_any_byte(speaker: Speaker, sender: Sender) -> None:
    stream = SPELLINGS["CRLF"](SPELLINGS["lines of data"](STREAM))
    for cut in range(len(stream)):
        heard = await speaker.hear(sender, stream[:cut], stream[cut:])
        assert (heard.fault, heard.pieces) == (None, ["Hello", TOLD]), cut


NO_TEXT = [
    b'{"choices":null}', b'{"choices":[]}', b"{}", b'{"type":"ping"}', b'{"choices":[],"error":null}',
    b'{"choices":[{"delta":null}]}', b'{"choices":[{"index":0}]}', b'{"choices":[{"delta":[{"content":"x"}]}]}',
    b'{"choices":[{"delta":"x"}]}', b'{"choices":[{"delta":{"content":null}}]}', b'{"choices":[{"delta":{"role":3}}]}',
    b'{"choices":[{"delta":{"content":[{"type":"thinking"}]}}]}', b'{"choices":[{"delta":{"content":{"a":3}}}]}',
    b'{"choices":[{"delta":{"content":""},"finish_reason":null}],"usage":null,"created":"x","id":3}',
]  # fmt: skip


@pytest.mark.parametrize("chunk", NO_TEXT)
async def test_a_chunk_without_text_is_none(speaker: Speaker, sender: Sender, chunk: bytes) -> None:
    heard = await speaker.hear(sender, HELLO, b"data: %b\n\n" % chunk, STOP, b"data: %b\n\n" % chunk, DONE)
    assert (heard.fault, heard.pieces, heard.finished[0].usage) == (None, ["Hello"], None)


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ((b"3", b"4"), (3, 4)),
        ((b"3.0", b'"4"'), (3, 4)),
        ((b"null", b"null"), (0, 0)),
        ((b"4.5", b"-1"), (4.5, -1)),
        ((b'"many"', b"[1]"), ("many", [1])),
    ],
)
async def test_counts_of_any_kind_fail_no_answer(
    speaker: Speaker, sender: Sender, counts: tuple[bytes, bytes], usage: tuple[object, object]
) -> None:
    heard = await speaker.hear(sender, HELLO, STOP, COUNTS % counts, DONE)
    assert heard.fault is None
    assert heard.finished[0].usage == TokenUsage(*usage)


BROKEN = [
    b'data: {"error":{"message":"x"}}\n\n', b'data: {"error":"x"}\n\n', b'event: error\ndata: {"message":"x"}\n\n',
    b"event:error\ndata: oh\n\n", b"data: {\n\n", b"data:\n\n", b"data: []\n\n", b"data: null\n\n",
    b'data: {"choices":[null]}\n\n', b'data: {"usage":[]}\n\n', PIECE % b"\xff",
    b'data: {"error":{"message":"x"},"choices":[{"delta":{"content":"x"}}]}\n\n',
]  # fmt: skip


@pytest.mark.parametrize("event", BROKEN)
async def test_what_makes_no_sense_interrupts(speaker: Speaker, sender: Sender, event: bytes) -> None:
    heard = await speaker.hear(sender, HELLO + event + STOP + DONE)
    assert (heard.pieces, heard.fault) == (["Hello"], INTERRUPTED)


@pytest.mark.parametrize("end", [b"", STOP.rstrip(), STOP[:-1]])
async def test_an_event_without_its_blank_line_is_none(speaker: Speaker, sender: Sender, end: bytes) -> None:
    heard = await speaker.hear(sender, HELLO, end)
    assert (heard.pieces, heard.fault) == (["Hello"], INTERRUPTED)


async def test_a_stream_may_end_without_done(speaker: Speaker, sender: Sender) -> None:
    heard = await speaker.hear(sender, HELLO, STOP)
    assert (heard.text, heard.fault) == ("Hello", None)


async def test_nothing_counts_after_done_and_the_connection_serves_the_next_reply(
    speaker: Speaker, sender: Sender
) -> None:
    for _ in range(3):
        heard = await speaker.hear(sender, HELLO, STOP + DONE + HELLO, b"data: {\n\n" * 9)
        assert (heard.text, heard.fault) == ("Hello", None)
    assert sender.connected == 1


async def test_an_answer_is_whole_when_the_server_does_not_end_after_done(speaker: Speaker, sender: Sender) -> None:
    sender.end = b""
    heard = await speaker.hear(sender, HELLO, STOP, DONE)
    assert (heard.text, heard.fault) == ("Hello", None)
