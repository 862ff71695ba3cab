"""A pooler between clients and PostgreSQL that lends a connection for one transaction, as PgBouncer below 1.21 does.

It takes the least recently used connection for each transaction, so a client that relies on a session fails at once.
Its own errors are those of PgBouncer 1.18, of state 08P01.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

SSL_REQUEST, CANCEL_REQUEST, PROTOCOL_3 = 80877103, 80877102, 196608
# The others are refused, as PgBouncer does unless ignore_startup_parameters names them.
KNOWN_PARAMETERS = frozenset({"user", "database", "client_encoding", "application_name", "datestyle", "timezone"})
PARAMETERS = {"server_version": "15.0", "client_encoding": "UTF8", "standard_conforming_strings": "on"}


@dataclass(eq=False)
class Server:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class TransactionPooler:
    """Pools `servers` connections to the server at `port` of this machine for any number of clients, or `most`."""

    def __init__(self, port: int, *, user: str, database: str, servers: int = 2, most: int = 1_000) -> None:
        self._port = port
        self._names = {"user": user, "database": database}
        self._count = servers
        self._most = most
        self._free: deque[Server] = deque()
        self._servers: set[Server] = set()
        self._some_free = asyncio.Condition()
        self._clients: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None

    @property
    def url(self) -> str:
        assert self._listener is not None
        port = self._listener.sockets[0].getsockname()[1]
        return f"postgresql://{self._names['user']}@127.0.0.1:{port}/{self._names['database']}"

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["TransactionPooler", None]:
        self._free.extend([await self._connected() for _ in range(self._count)])
        self._servers.update(self._free)
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        try:
            yield self
        finally:
            self._listener.close()
            for client in self._clients:
                client.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)
            for server in self._servers:
                server.writer.transport.abort()

    async def _connected(self) -> Server:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        body = PROTOCOL_3.to_bytes(4, "big") + _strings(self._names) + b"\0"
        writer.write((len(body) + 4).to_bytes(4, "big") + body)
        while (await _message(reader))[:1] != b"Z":
            pass
        return Server(reader, writer)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                if await self._greet(reader, writer):
                    await self._serve(reader, writer)
        finally:
            self._clients.discard(task)
            writer.transport.abort()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        body = await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big") - 4)
        code = int.from_bytes(body[:4], "big")
        if code == CANCEL_REQUEST:
            return False
        if code == SSL_REQUEST:
            writer.write(b"N")
            return await self._greet(reader, writer)
        words = body[4:].rstrip(b"\0").split(b"\0")
        unknown = {word.decode().lower() for word in words[::2]} - KNOWN_PARAMETERS
        if unknown:
            return _refuse(writer, f"unsupported startup parameter: {min(unknown)}")
        if len(self._clients) > self._most:
            return _refuse(writer, "no more connections allowed (max_client_conn)")
        _send(writer, b"R", (0).to_bytes(4, "big"))
        for name, value in PARAMETERS.items():
            _send(writer, b"S", _strings({name: value}))
        _send(writer, b"K", (1).to_bytes(4, "big") + (1).to_bytes(4, "big"))
        _send(writer, b"Z", b"I")
        return True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asking = asyncio.create_task(_message(reader))
        try:
            while (request := await asking)[:1] != b"X":
                async with self._some_free:
                    await self._some_free.wait_for(lambda: bool(self._free))
                    server = self._free.popleft()
                answering = asyncio.create_task(_answer_until_idle(server, writer))
                try:
                    server.writer.write(request)
                    asking = asyncio.create_task(_message(reader))
                    while not answering.done():
                        await asyncio.wait({asking, answering}, return_when=asyncio.FIRST_COMPLETED)
                        # What arrives after the end of a transaction begins the next.
                        if asking.done() and not answering.done():
                            server.writer.write(asking.result())
                            asking = asyncio.create_task(_message(reader))
                finally:
                    await self._give_back(server, answering)
        finally:
            asking.cancel()

    async def _give_back(self, server: Server, answering: asyncio.Task[None]) -> None:
        if not answering.done():
            # The client left within a transaction.
            answering.cancel()
            server.writer.transport.abort()
            server = await self._connected()
            self._servers.add(server)
        async with self._some_free:
            self._free.append(server)
            self._some_free.notify()


async def _answer_until_idle(server: Server, writer: asyncio.StreamWriter) -> None:
    while True:
        answer = await _message(server.reader)
        writer.write(answer)
        if answer == b"Z\0\0\0\x05I":
            return


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


def _strings(values: dict[str, str]) -> bytes:
    return b"".join(word.encode() + b"\0" for pair in values.items() for word in pair)


def _send(writer: asyncio.StreamWriter, kind: bytes, body: bytes) -> None:
    writer.write(kind + (len(body) + 4).to_bytes(4, "big") + body)


def _refuse(writer: asyncio.StreamWriter, message: str) -> bool:
    _send(writer, b"E", b"SFATAL\0VFATAL\0C08P01\0M" + message.encode() + b"\0\0")
    return False
