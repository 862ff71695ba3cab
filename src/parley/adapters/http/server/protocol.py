"""The HTTP/1.1 server protocol: uvicorn's, with limits for what a client may send and how slowly.

uvicorn itself bounds neither the size of a request's head nor the time for head and body.
"""

from asyncio import TimerHandle, Transport, get_running_loop
from typing import Any, cast

import httptools
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import get_remote_addr
from uvicorn.server import ServerState

from parley.adapters.http.server.connections import Connection
from parley.adapters.http.server.flow import Flow, Receiving
from parley.adapters.http.server.http10 import without_chunks
from parley.adapters.http.server.joined_writes import join_writes
from parley.adapters.http.server.ports import STATE_KEY, ServerPorts
from parley.adapters.http.server.refusals import (
    ADDRESS_TOO_LONG,
    HEAD_TOO_LARGE,
    MALFORMED,
    TOO_MANY_CONNECTIONS,
    TOO_SLOW,
    Refusal,
    RequestRefused,
    refusal_of,
    response,
)
from parley.adapters.http.server.sockets import asks_for_socket, has_sockets

HEAD_BYTES = 65_536
ADDRESS_BYTES = 16_384
# After a refusal what still arrives is read for so long: a reset connection would lose the response.
LINGER_SECONDS = 1.0
# Received data is parsed in slices, so that few requests of a pipeline are in memory at once.
_SLICE = 4_096

log = structlog.get_logger("parley.server")


class ParleyHttpProtocol(HttpToolsProtocol):
    """One connection.

    A head over HEAD_BYTES, a head slower than `head_seconds`, a body slower than `body_seconds` and whatever cannot be
    parsed are refused with a problem; then the connection is closed. Raises KeyError for an application that is not
    parley's.
    """

    # With a dict of more than thirty attributes a connection takes 2 KB more.
    __slots__ = (
        "_admitted", "_closing", "_deadline", "_held", "_new_deadline", "_ports", "_receiving", "_refusal", "_running",
        "_unparsed", "_upgrades",
    )  # fmt: skip
    head_seconds = 10.0
    body_seconds = 30.0
    flow: Flow

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop or get_running_loop())
        self._ports: ServerPorts = app_state[STATE_KEY]
        self._admitted = False
        self._receiving = Receiving.HEAD
        self._unparsed = 0
        self._deadline: TimerHandle | None = None
        self._new_deadline: float | None = None
        self._running: RequestResponseCycle | None = None
        self._held = bytearray()
        self._closing = False
        self._refusal: Refusal | None = None
        self._upgrades = False

    # The connection

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as in uvicorn
        peer = get_remote_addr(transport)
        self._admitted = self._ports.connections.add(self, peer[0] if peer else None)
        if not self._admitted:
            self._closing = True
            self._ports.refused(TOO_MANY_CONNECTIONS.code)
            transport.write(response(TOO_MANY_CONNECTIONS, self._ports.new_request_id(), self._ports.headers))
            transport.close()
            return
        super().connection_made(transport)
        self.flow = Flow(transport)
        self._set_deadline(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._admitted:
            return
        self._closing = True
        self._clear_deadline()
        self._ports.connections.remove(self)
        if self._running is not None and not self._running.response_complete:
            # uvicorn tells only the latest request, which in a pipeline is not the one that runs.
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def give_way(self) -> None:
        self._closing = True
        self.transport.abort()

    # What arrives

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self.flow.held:
            self._held += data
        else:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._receiving is Receiving.NOTHING:
            self._begin_head()
        for start in range(0, len(data), _SLICE):
            if self.pipeline:
                self._hold(data[start:])
                break
            if not self._parse(data[start : start + _SLICE]):
                return
        # Most requests arrive whole: they take no timer.
        if self._new_deadline is not None:
            self._set_deadline(self._new_deadline)

    def _parse(self, data: bytes) -> bool:
        """Whether more can be parsed."""
        self._unparsed += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # Otherwise answered as the plain request that it also is.
            if self._upgrades:
                self._become_socket(data[upgrade.args[0] :])
            self._closing = True
            return False
        except httptools.HttpParserError as error:
            self._refuse(refusal_of(error))
            return False
        if self._unparsed > HEAD_BYTES:
            self._refuse(HEAD_TOO_LARGE)
            return False
        return True

    def _hold(self, data: bytes) -> None:
        """Keep what follows the requests of a pipeline until they are answered, and read no more."""
        self.flow.pause_reading()
        self.flow.held = True
        self._held += data

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        if self._receiving is not Receiving.HEAD:
            self._begin_head()
            self._unparsed = 1
        super().on_message_begin()

    def _begin_head(self) -> None:
        self._receiving = Receiving.HEAD
        self._unparsed = 0
        self._new_deadline = self.head_seconds

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > ADDRESS_BYTES:
            raise RequestRefused(ADDRESS_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers are no headers (RFC 9110, 6.5.1): a client could name itself another address there.
        if self._receiving is not Receiving.BODY:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEAD_BYTES:
            raise RequestRefused(HEAD_TOO_LARGE)
        asks = asks_for_socket(self.parser, self.url, self.headers)
        self._upgrades = asks and has_sockets(self.ws_protocol_class) and not self._is_answering()
        super().on_headers_complete()
        self._receiving = Receiving.BODY
        self._unparsed = 0
        self._new_deadline = self.body_seconds
        if self.parser.should_upgrade() and not self._upgrades:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._receiving = Receiving.NOTHING
        self._clear_deadline()
        if self._upgrades:
            return
        if not self.cycle.response_complete:
            self._ports.connections.works(self)
        elif not self.transport.is_closing():
            # It was answered before its body had arrived.
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        super().on_message_complete()

    def _should_upgrade(self) -> bool:
        return self._upgrades

    def _become_socket(self, early: bytes) -> None:
        """Hand the connection over. A client must wait for the response before it sends anything else."""
        if early:
            self._refuse(MALFORMED)
            return
        self.handle_websocket_upgrade()
        self._ports.connections.replace(self, cast("Connection", self.transport.get_protocol()))

    # Answering

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        join_writes(cycle)
        super()._start_asgi_task(cycle, without_chunks(cycle, app) if cycle.scope["http_version"] == "1.0" else app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.pipeline or self.transport.is_closing():
            return
        if self._held and self._refusal is None and (not self._is_answering() or self._receiving is Receiving.BODY):
            # The last request of a pipeline is running by now; what was held may begin with the rest of its body.
            held, self._held, self.flow.held = bytes(self._held), bytearray(), False
            self._feed(held)
            self.flow.resume_reading()
        elif self._is_answering():
            return
        elif self._refusal is not None:
            self._send_refusal(self._refusal)
        else:
            self._ports.connections.waits(self)

    def _is_answering(self) -> bool:
        return self._running is not None and not self._running.response_complete

    def _refuse(self, refusal: Refusal) -> None:
        """Parse nothing more, and close the connection: after the responses to earlier requests."""
        self._closing = True
        self._clear_deadline()
        if self._receiving is Receiving.BODY:
            if self.pipeline:
                self.pipeline.popleft()
            elif not self._is_answering() or self.cycle.response_started:
                self.transport.close()
                return
            else:
                # The application's response would follow the refusal.
                self.cycle.disconnected = True
                self.cycle.waiting_for_100_continue = False
                self.cycle.message_event.set()
                self._send_refusal(refusal)
                return
        if self._is_answering():
            self._refusal = refusal
        else:
            self._send_refusal(refusal)

    def _send_refusal(self, refusal: Refusal) -> None:
        request_id = self._ports.new_request_id()
        self._ports.refused(refusal.code)
        peer = self.client[0] if self.client else None
        log.info("request_refused", request_id=request_id, status=refusal.status.value, code=refusal.code, peer=peer)
        self.transport.write(response(refusal, request_id, self._ports.headers, self.server_state.default_headers))
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._deadline = self.loop.call_later(LINGER_SECONDS, self.transport.abort)
        else:
            self.transport.close()

    # Time

    def _set_deadline(self, seconds: float) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(seconds, self._deadline_passed)

    def _clear_deadline(self) -> None:
        self._new_deadline = None
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _deadline_passed(self) -> None:
        if self.flow.read_paused:
            # The application is slow, not the client.
            self._set_deadline(self.body_seconds)
        elif self._receiving is Receiving.HEAD and self._unparsed == 0:
            self.transport.close()
        else:
            self._refuse(TOO_SLOW)
