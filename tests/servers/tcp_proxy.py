"""A proxy between a client and a server that can lose, delay and cut what passes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

CHUNK = 65_536


class TcpProxy:
    """Passes bytes both ways; its fields say what happens to the next data from the server."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._silent: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        # Answers are lost, while requests pass and connections stay open.
        self.swallowing = False
        # New connections are closed at once.
        self.refusing = False
        # The next answer is lost and its connection is closed.
        self.cut_at_next_answer = False
        # Seconds by which each part of an answer is delayed.
        self.delay = 0.0
        self.answers_lost = 0
        # A client that sends small requests and waits for each answer needs one for each round trip.
        self.requests_passed = 0

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["TcpProxy", None]:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield self
        finally:
            self._server.close()
            self.cut()

    def cut(self) -> None:
        """Close every open connection."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    def silence(self) -> None:
        """Lose all further answers on the open connections, which stay open. New connections work."""
        self._silent.update(self._writers)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self.refusing:
            to_client.transport.abort()
            return
        self._writers.add(to_client)
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            to_client.transport.abort()
            return
        self._writers.add(to_server)
        try:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._pass_requests(client, to_server))
                directions.create_task(self._pass_answers(server, to_client))
        finally:
            for writer in (to_client, to_server):
                self._writers.discard(writer)
                writer.transport.abort()

    async def _pass_requests(self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await client.read(CHUNK):
                self.requests_passed += 1
                to_server.write(data)
                await to_server.drain()
        to_server.transport.abort()

    async def _pass_answers(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await server.read(CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self.swallowing or self.cut_at_next_answer or to_client in self._silent:
                    self.answers_lost += 1
                    if self.cut_at_next_answer:
                        self.cut_at_next_answer = False
                        break
                    continue
                to_client.write(data)
                await to_client.drain()
        to_client.transport.abort()
