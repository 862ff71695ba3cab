"""Requests that arrive slowly, in pieces, many at once or by HTTP/1.0, over real sockets."""

import asyncio

import pytest

from tests.http.server.listening import GET, PATIENCE_SECONDS, Client, QuickProtocol, listening

CHUNKED = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_requests_on_one_connection() -> None:
    async with listening() as server:
        client = await server.client()
        for size in (0, 5, 300_000):
            await client.send(
                b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (size, size) + b"x" * size
            )
            assert (await client.answer()).body == b"/%d %d" % (size, size)


async def test_a_request_in_single_bytes() -> None:
    async with listening() as server:
        client = await server.client()
        for byte in CHUNKED + b"3;x=y\r\nabc\r\n0\r\nTrailer: x\r\n\r\n":
            await client.send(bytes([byte]))
        assert (await client.answer()).body == b"/c 3"
    assert server.requests == [("POST", "/c", b"abc")]


async def test_a_chunked_body_of_many_small_chunks() -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(CHUNKED + b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n")
        assert (await client.answer()).body == b"/c 50000"


async def test_a_long_pipeline_is_answered_in_order() -> None:
    paths = [f"/{number}" for number in range(3_000)]
    async with listening() as server:
        client = await server.client()
        sending = asyncio.create_task(
            client.send(b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % p.encode() for p in paths))
        )
        assert [(await client.answer()).body for _ in paths] == [f"{path} 0".encode() for path in paths]
        await sending


async def test_of_a_pipeline_only_a_little_is_read_while_a_request_is_answered() -> None:
    """Neither the requests nor their bytes wait in the server's memory."""
    async with listening() as server:
        client = await server.client()
        await client.send(b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n")
        flood = asyncio.create_task(_drip(client, GET * 40_000))
        _, unfinished = await asyncio.wait({flood}, timeout=1)
        assert unfinished
        flood.cancel()
        server.gate.set()
        assert (await client.answer()).body == b"/gate 0"


@pytest.mark.parametrize("sent", [100, 10_000])
async def test_a_body_in_a_pipeline_arrives_whole(sent: int) -> None:
    """Whether the rest of it is read before or after its request begins."""
    body = b"x" * 10_000
    async with listening(QuickProtocol) as server:
        client = await server.client()
        head = b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n"
        await client.send(b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n" + head + body[:sent])
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not server.requests:
                await asyncio.sleep(0.01)
        await client.send(body[sent:] + GET)
        server.gate.set()
        assert [(await client.answer()).body for _ in range(3)] == [b"/gate 0", b"/b 10000", b"/ 0"]


async def test_a_body_in_a_pipeline_that_does_not_end_in_time_is_refused() -> None:
    async with listening(QuickProtocol) as server:
        client = await server.client()
        head = b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n"
        await client.send(GET + head + b"x" * 9_000)
        assert (await client.answer()).body == b"/ 0"
        assert (await client.answer()).problem()["code"] == "request_timeout"


async def test_the_running_request_of_a_pipeline_learns_that_the_client_left() -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not server.headers:
                await asyncio.sleep(0.01)
            client.writer.transport.abort()
            while not server.disconnected:
                await asyncio.sleep(0.01)


async def test_trailers_are_no_headers() -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(CHUNKED + b"1\r\na\r\n0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
        assert (await client.answer()).body == b"/c 1"
    assert b"x-forwarded-for" not in dict(server.headers)


async def test_an_idle_connection_whose_body_came_after_the_answer_is_closed() -> None:
    async with listening(QuickProtocol) as server:
        client = await server.client()
        await client.send(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n")
        assert (await client.answer()).body == b"/early 0"
        await client.send(b"ab")
        assert await client.rest() == b""


async def test_expect_continue() -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(b"POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"ab")
        assert (await client.answer()).body == b"/e 2"


@pytest.mark.parametrize("path", [b"/stream", b"/plain"])
async def test_an_http_1_0_client_gets_no_chunks(path: bytes) -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(b"GET %s HTTP/1.0\r\n\r\n" % path)
        answer = await client.answer()
        assert "transfer-encoding" not in answer.headers
        assert answer.headers["connection"] == "close"
        assert answer.body == path + b" 0"
        assert await client.rest() == b""


async def test_head_by_http_1_0() -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(b"HEAD /stream HTTP/1.0\r\n\r\n")
        assert (await client.answer(to="HEAD")).status == 200
        assert await client.rest() == b""


SLOW = {
    "head": (b"GET / HTTP/1.1\r\nX: ", b"x"),
    "blank lines": (b"", b"\r\n"),
    "body": (b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n", b"x"),
    "chunks": (CHUNKED, b"1\r\nx\r\n"),
    "trailers": (CHUNKED + b"0\r\nX: ", b"x"),
    "second head": (GET + b"GET / HTTP/1.1\r\nX: ", b"x"),
}


@pytest.mark.parametrize("name", SLOW)
async def test_a_request_that_does_not_end_in_time_is_refused(name: str) -> None:
    """However steadily it arrives."""
    start, more = SLOW[name]
    async with listening(QuickProtocol) as server:
        client = await server.client()
        await client.send(start)
        if name == "second head":
            assert (await client.answer()).status == 200
        dripping = asyncio.create_task(_drip(client, more))
        assert (await client.answer()).problem()["code"] == "request_timeout"
        await client.rest()
        await dripping
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(server.connections):
                await asyncio.sleep(0.01)


async def _drip(client: Client, data: bytes) -> None:
    try:
        while not client.reader.at_eof():
            await client.send(data)
            await asyncio.sleep(0.01)
    except ConnectionError:
        pass


async def test_a_connection_without_a_request_is_closed_without_a_word() -> None:
    async with listening(QuickProtocol) as server:
        client = await server.client()
        assert await client.rest() == b""
        assert server.refused == []


async def test_a_slow_answer_is_no_slow_request() -> None:
    async with listening(QuickProtocol) as server:
        client = await server.client()
        await client.send(b"POST /gate HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
        await asyncio.sleep(1)
        server.gate.set()
        assert (await client.answer()).body == b"/gate 1"
