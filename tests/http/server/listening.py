"""The server's protocol behind a real socket, and a client that sends bytes as they are."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from parley.adapters.http.server.connections import Connections
from parley.adapters.http.server.ports import ServerPorts, with_server_ports
from parley.adapters.http.server.protocol import ParleyHttpProtocol
from parley.adapters.http.server.security_headers import security_headers
from parley.adapters.http.server.sockets import ParleySocketProtocol

PATIENCE_SECONDS = 30.0
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class QuickProtocol(ParleyHttpProtocol):
    head_seconds = 0.3
    body_seconds = 0.6

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.timeout_keep_alive = 1
        super().connection_made(transport)


class QuickSocketProtocol(ParleySocketProtocol):
    close_seconds = 0.1


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def problem(self) -> dict[str, Any]:
        """The problem that this response is."""
        assert self.headers["content-type"] == "application/problem+json"
        assert self.headers["x-request-id"]
        assert "base-uri 'none'" in self.headers["content-security-policy"]
        assert "includeSubDomains" in self.headers["strict-transport-security"]
        assert self.headers["connection"] == "close"
        problem = json.loads(self.body)
        assert problem["status"] == self.status
        return problem


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *, to: str = "GET") -> Answer:
        """The next response, whose body has a length or ends with the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            line, *fields = head.rstrip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (text.partition(": ") for text in fields)}
            if to == "HEAD":
                body = b""
            elif "content-length" in headers:
                body = await self.reader.readexactly(int(headers["content-length"]))
            elif "transfer-encoding" in headers:
                body = await self._chunks()
            else:
                body = await self.reader.read()
        return Answer(int(line.split()[1]), headers, body)

    async def rest(self) -> bytes:
        """What the server still sends until it closes the connection; a reset ends it too."""
        received = b""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while data := await self.reader.read(65_536):
                    received += data
        except ConnectionError:
            pass
        return received

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)
        return body


async def connect(port: int) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", port))


@dataclass
class Listening:
    """A server. `requests`: method, path and body of those that reached the application; `headers`: of the last one.

    `messages`: the number of those that sockets received.
    """

    port: int = 0
    connections: Connections = field(default_factory=lambda: Connections(total=0, per_address=0))
    refused: list[str] = field(default_factory=list)
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    disconnected: int = 0
    socket_ends: list[int] = field(default_factory=list)
    flooded: int = 0
    messages: int = 0
    state: ServerState = field(default_factory=ServerState)
    clients: list[Client] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers with the path and the length of the body.

        /gate waits first, /stream has no length, /early does not read the body, /held waits for the client to leave.
        """
        if scope["type"] == "websocket":
            await self._socket(receive, send)
            return
        path, self.headers = scope.get("path"), scope.get("headers", [])
        body, more = b"", path != "/early"
        while more or path == "/held":
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected += 1
                return
            body, more = body + message["body"], message["more_body"]
        self.requests.append((scope["method"], scope["path"], body))
        if scope["path"] == "/gate":
            await self.gate.wait()
        content = f"{scope['path']} {len(body)}".encode()
        length = [] if scope["path"] == "/stream" else [(b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        for part in (content[:1], content[1:]):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _socket(self, receive: Any, send: Any) -> None:
        """Accepts, and sends back what it receives.

        «close» closes, «fill» sends what fits into the buffers, «flood» does both.
        """
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            self.messages += 1
            if message["text"] in {"fill", "flood"}:
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        while True:
                            await send({"type": "websocket.send", "text": "x" * 65_536})
                            self.flooded += 1
            if message["text"] in {"close", "flood"}:
                await send({"type": "websocket.close", "code": 4000})
            elif message["text"] != "fill":
                await send({"type": "websocket.send", "text": message["text"]})
        self.socket_ends.append(message["code"])

    async def client(self) -> Client:
        client = await connect(self.port)
        self.clients.append(client)
        return client


@asynccontextmanager
async def listening(
    protocol: type[ParleyHttpProtocol | ParleySocketProtocol] = ParleyHttpProtocol,
    sockets: type[asyncio.Protocol] = QuickSocketProtocol,
    **limits: int,
) -> AsyncGenerator[Listening, None]:
    listening = Listening(connections=Connections(**({"total": 0, "per_address": 0} | limits)))
    app = with_server_ports(
        listening.application,
        ServerPorts(listening.connections, lambda: "id", listening.refused.append, security_headers(https=True)),
    )
    state: dict[str, Any] = {}
    # The state is filled before the application is called, which knows no lifespan.
    with suppress(NotImplementedError):
        await app({"type": "lifespan", "state": state}, _no_lifespan, _no_lifespan)
    config = Config(
        listening.application,
        log_config=None,
        ws=sockets,
        ws_max_size=1_000,
        ws_per_message_deflate=False,
        lifespan="off",
        interface="asgi3",
    )
    config.load()
    server_state = listening.state
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol(config, server_state, state), "127.0.0.1", 0)
    listening.port = server.sockets[0].getsockname()[1]
    try:
        yield listening
    finally:
        server.close()
        listening.gate.set()
        for connection in list(server_state.connections):
            connection.transport.abort()
        for client in listening.clients:
            client.writer.transport.abort()
        async with asyncio.timeout(PATIENCE_SECONDS):
            if server_state.tasks:
                await asyncio.wait(server_state.tasks)


async def _no_lifespan(*_: object) -> Any:
    raise NotImplementedError
