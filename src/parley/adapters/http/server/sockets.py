"""The server's WebSocket protocol: uvicorn's, whose connections count like those of HTTP."""

import re
from asyncio import AbstractEventLoop
from collections.abc import Sequence
from typing import Any

import httptools
from uvicorn._types import ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame
from websockets.http11 import MAX_LINE_LENGTH, MAX_NUM_HEADERS

from parley.adapters.http.server.ports import STATE_KEY, ServerPorts

# The only address that has a WebSocket. At any other one an upgrade is ignored (RFC 9110, 7.8).
_SOCKET = re.compile(rb"(/[^?]*)?/chatroom/[0-9A-Fa-f-]{36}/socket/?(\?.*)?", re.DOTALL)
# 16 bytes in base64 (RFC 6455, 4.1).
_KEY = re.compile(rb"[0-9a-z+/]{22}==", re.IGNORECASE)
_LINE_ENDS = len(b"GET  HTTP/1.1\r\n")
# asyncio's own limit for what waits to be sent; uvicorn's pongs ignore it.
_PONG_BYTES = 65_536
# Empty fragments take memory too, and never reach the limit for a message's size.
MOST_FRAGMENTS = 1_000
_WITH_BODY = frozenset({b"content-length", b"transfer-encoding"})


def asks_for_socket(parser: httptools.HttpRequestParser, url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether the request is a WebSocket handshake (RFC 6455, 4.1) at an address that has one.

    One that `websockets` would refuse is none, so that its response is a problem with a request id.
    """
    fields = {name: value.strip().lower() for name, value in headers}
    return (
        (parser.get_method(), parser.get_http_version()) == (b"GET", "1.1")
        and fields.get(b"upgrade") == b"websocket"
        and b"upgrade" in [token.strip() for token in fields.get(b"connection", b"").split(b",")]
        and fields.get(b"sec-websocket-version") == b"13"
        and _KEY.fullmatch(fields.get(b"sec-websocket-key", b"")) is not None
        and not _WITH_BODY & fields.keys()
        and _SOCKET.fullmatch(url) is not None
        and _fits(url, headers)
    )


def _fits(url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bool:
    longest = max(len(url), *(len(name) + len(value) for name, value in headers))
    return len(headers) <= MAX_NUM_HEADERS and longest + _LINE_ENDS <= MAX_LINE_LENGTH


def has_sockets(protocol: object) -> bool:
    """Whether uvicorn's setting `ws` names this protocol: connections of another one would be counted for ever."""
    return isinstance(protocol, type) and issubclass(protocol, ParleySocketProtocol)


class ParleySocketProtocol(WebSocketsSansIOProtocol):
    """One connection after its upgrade.

    It may be closed to make room for others until the application has sent it something. A client that does not answer
    a close, or reads nothing of it, is disconnected `close_seconds` later.
    """

    close_seconds = 5.0

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._ports: ServerPorts = app_state[STATE_KEY]
        self._waits = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._ports.connections.remove(self)
        super().connection_lost(exc)

    def give_way(self) -> None:
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated:
            # `websockets` has refused the head; uvicorn would neither answer nor close.
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    async def send(self, message: ASGISendEvent) -> None:
        kind = message["type"]
        if kind == "websocket.close":
            # It waits for no client that reads nothing.
            self.writable.set()
        await super().send(message)
        if kind == "websocket.close":
            self._break_off_later()
        elif kind == "websocket.http.response.body":
            # The handshake was refused; uvicorn would take it for forgotten.
            self.handshake_complete = True
        elif kind == "websocket.send" and self._waits:
            self._waits = False
            self._ports.connections.works(self)

    def handle_ping(self) -> None:
        if self.transport.get_write_buffer_size() <= _PONG_BYTES:
            super().handle_ping()
        else:
            # Only the latest ping needs an answer (RFC 6455, 5.5.3).
            self.conn.data_to_send()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MOST_FRAGMENTS:
            self.transport.abort()
        else:
            super().handle_cont(event)

    def handle_close(self, event: Frame) -> None:
        super().handle_close(event)
        self._break_off_later()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._break_off_later()

    def handle_parser_exception(self) -> None:
        super().handle_parser_exception()
        self._break_off_later()

    def shutdown(self) -> None:
        super().shutdown()
        self._break_off_later()

    def _break_off_later(self) -> None:
        """A close waits until everything before it was sent, which a client that reads nothing would prevent."""
        self.loop.call_later(self.close_seconds, self.transport.abort)
