"""Connections that become WebSockets: which do, and how they end."""

import asyncio

import pytest
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import ClientConnection, connect

from parley.adapters.http.server.sockets import MOST_FRAGMENTS
from tests.http.server.listening import GET, PATIENCE_SECONDS, Client, Listening, QuickSocketProtocol, listening

ROOM = "/chatroom/01a1fe30-5c00-7a31-8d52-6f0b1c9e4a03/socket"
UPGRADE = (
    b"Host: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
HANDSHAKE = b"GET %s HTTP/1.1\r\n%s\r\n" % (ROOM.encode(), UPGRADE)


def opened(server: Listening, **options: object) -> connect:
    return connect(f"ws://127.0.0.1:{server.port}{ROOM}", compression=None, **options)


async def closed(socket: ClientConnection) -> int:
    """The code with which the server closes."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await socket.wait_closed()
    return socket.close_code or 0


async def empty(server: Listening) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(server.connections):
            await asyncio.sleep(0.005)


async def test_a_socket_is_counted_until_it_ends() -> None:
    async with listening() as server:
        async with opened(server) as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello"
            assert len(server.connections) == 1
        await empty(server)
        assert server.socket_ends == [1000]


async def test_compression_is_not_offered() -> None:
    async with listening() as server, connect(f"ws://127.0.0.1:{server.port}{ROOM}") as socket:
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers


@pytest.mark.parametrize("path", ["/", "/chatroom/x/socket", f"{ROOM}/more", "/chatroom", ROOM.replace("/socket", "")])
async def test_other_addresses_ignore_an_upgrade(path: str) -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(b"GET %s HTTP/1.1\r\n%s\r\n" % (path.encode(), UPGRADE))
        assert (await client.answer()).status == 200


@pytest.mark.parametrize("path", [f"{ROOM}/", f"{ROOM}?x=1", ROOM.replace("a1fe", "A1FE"), f"/below/a/path{ROOM}"])
async def test_other_spellings_of_the_address_have_a_socket(path: str) -> None:
    async with listening() as server, connect(f"ws://127.0.0.1:{server.port}{path}") as socket:
        await socket.send("hello")
        assert await socket.recv() == "hello"


NOT_A_HANDSHAKE = {
    "another protocol": HANDSHAKE.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
    "another method": HANDSHAKE.replace(b"GET", b"POST"),
    "a body": HANDSHAKE.replace(b"Host: x\r\n", b"Host: x\r\nContent-Length: 0\r\n"),
    "HTTP/1.0": HANDSHAKE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "no Connection": HANDSHAKE.replace(b"keep-alive, Upgrade", b"keep-alive"),
    "another version": HANDSHAKE.replace(b"Version: 13", b"Version: 8"),
    "no key": HANDSHAKE.replace(b"Sec-WebSocket-Key", b"X-Key"),
    "a key that is none": HANDSHAKE.replace(b"dGhl", b"dGhlaQ"),
    "a long cookie": HANDSHAKE.replace(b"Host: x\r\n", b"Host: x\r\nCookie: %s\r\n" % (b"c" * 9_000)),
    "a long address": HANDSHAKE.replace(b"/socket", b"/socket?x=%s" % (b"x" * 9_000)),
    "many headers": HANDSHAKE.replace(b"Host: x\r\n", b"Host: x\r\n" + b"X: y\r\n" * 124),
}


@pytest.mark.parametrize("name", NOT_A_HANDSHAKE)
async def test_what_is_no_handshake_is_a_plain_request(name: str) -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(NOT_A_HANDSHAKE[name])
        assert (await client.answer()).status == 200


LARGEST_HANDSHAKES = {
    "cookie": HANDSHAKE.replace(b"Host: x\r\n", b"Host: x\r\nCookie: %s\r\n" % (b"c" * 8_165)),
    "address": HANDSHAKE.replace(b"/socket", b"/socket?x=%s" % (b"x" * 8_110)),
    "headers": HANDSHAKE.replace(b"Host: x\r\n", b"Host: x\r\n" + b"X: y\r\n" * 123),
}


@pytest.mark.parametrize("name", LARGEST_HANDSHAKES)
async def test_a_handshake_may_be_so_large(name: str) -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(LARGEST_HANDSHAKES[name])
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")


async def test_a_head_that_the_library_refuses_is_answered() -> None:
    async with listening(QuickSocketProtocol) as server:
        client = await server.client()
        await client.send(NOT_A_HANDSHAKE["a long cookie"])
        assert (await client.rest()).startswith(b"HTTP/1.1 431 ")


async def test_without_the_servers_own_socket_protocol_a_handshake_is_a_plain_request() -> None:
    async with listening(sockets=WebSocketsSansIOProtocol) as server:
        client = await server.client()
        await client.send(HANDSHAKE)
        assert (await client.answer()).body == f"{ROOM} 0".encode()
        assert await client.rest() == b""
        await empty(server)


async def test_nothing_may_follow_a_handshake_before_its_response() -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(HANDSHAKE + b"\x81\x80abcd")
        assert (await client.answer()).status == 400
        assert await client.rest() == b""
        await empty(server)


async def test_a_handshake_behind_a_request_that_runs_is_a_plain_request() -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(GET.replace(b" / ", b" /gate ") + HANDSHAKE)
        server.gate.set()
        assert (await client.answer()).body == b"/gate 0"
        assert (await client.answer()).status == 200


async def test_a_message_that_is_too_large_ends_the_connection() -> None:
    async with listening() as server:
        async with opened(server) as socket:
            await socket.send("x" * 1_000)
            assert await socket.recv() == "x" * 1_000
            await socket.send("x" * 1_001)
            assert await closed(socket) == 1009
        async with opened(server) as socket:
            await socket.send(["x" * 600, "x" * 600])
            assert await closed(socket) == 1009
        await empty(server)


@pytest.mark.parametrize(("data", "code"), [(b"\x81\x02hi", 1002), (b"\x81\x81\x00\x00\x00\x00\xff", 1007)])
async def test_what_breaks_the_protocol_ends_the_connection(data: bytes, code: int) -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(HANDSHAKE)
        await client.reader.readuntil(b"\r\n\r\n")
        await client.send(data)
        frame = await client.rest()
        assert (frame[0], int.from_bytes(frame[2:4])) == (0x88, code)
        await empty(server)


async def test_a_client_that_does_not_answer_a_close_is_disconnected() -> None:
    async with listening() as server:
        client = await server.client()
        await client.send(HANDSHAKE)
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        # «close», masked with zeros.
        await client.send(b"\x81\x85\x00\x00\x00\x00close")
        assert (await client.rest())[:4] == b"\x88\x02\x0f\xa0"
        await empty(server)


async def test_a_socket_gives_way_until_the_server_has_sent_it_something() -> None:
    async with listening(total=2) as server:
        silent, busy = await server.client(), await server.client()
        for client in (silent, busy):
            await client.send(HANDSHAKE)
            await client.reader.readuntil(b"\r\n\r\n")
        await busy.send(b"\x81\x82\x00\x00\x00\x00hi")
        assert await busy.reader.readexactly(4) == b"\x81\x02hi"
        third = await server.client()
        await third.send(GET)
        assert (await third.answer()).status == 200
        assert await silent.rest() == b""
        await busy.send(b"\x81\x82\x00\x00\x00\x00hi")
        assert await busy.reader.readexactly(4) == b"\x81\x02hi"


async def reads_nothing(server: Listening) -> Client:
    """A client that reads no more after its handshake."""
    client = await server.client()
    await client.send(HANDSHAKE)
    await client.reader.readuntil(b"\r\n\r\n")
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # as asyncio's transports have it
    return client


async def test_pongs_do_not_pile_up_for_a_client_that_reads_nothing() -> None:
    async with listening() as server:
        client = await reads_nothing(server)
        ping = b"\x89\xfd\x00\x00\x00\x00" + b"p" * 125
        for _ in range(80):
            await client.send(ping * 1_000)
        await client.send(b"\x81\x82\x00\x00\x00\x00hi")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while server.messages == 0:
                await asyncio.sleep(0.005)
        [connection] = server.state.connections
        assert 0 < connection.transport.get_write_buffer_size() < 400_000


async def test_a_client_that_reads_nothing_does_not_outlive_its_own_close() -> None:
    async with listening() as server:
        client = await reads_nothing(server)
        # «fill», and then a close, masked with zeros.
        await client.send(b"\x81\x84\x00\x00\x00\x00fill")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while server.flooded == 0:
                await asyncio.sleep(0.005)
        await client.send(b"\x88\x80\x00\x00\x00\x00")
        await empty(server)


async def test_a_message_has_so_many_fragments() -> None:
    first, next_, last = (bytes([bits, 0x80, 0, 0, 0, 0]) for bits in (0x01, 0x00, 0x80))
    async with listening() as server:
        client = await server.client()
        await client.send(HANDSHAKE)
        await client.reader.readuntil(b"\r\n\r\n")
        await client.send(first + next_ * (MOST_FRAGMENTS - 2) + last)
        assert await client.reader.readexactly(2) == b"\x81\x00"
        await client.send(first + next_ * MOST_FRAGMENTS)
        assert await client.rest() == b""
        await empty(server)


async def test_a_client_that_reads_nothing_does_not_outlive_a_close() -> None:
    async with listening() as server:
        client = await reads_nothing(server)
        # «flood», masked with zeros: the server sends until nothing fits any more, and closes then.
        await client.send(b"\x81\x85\x00\x00\x00\x00flood")
        await empty(server)
        assert server.flooded > 0
