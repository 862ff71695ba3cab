"""One client's WebSocket to a room, from its first message to its close."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from enum import IntEnum
from typing import Any
from uuid import UUID

import structlog
from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect
from msgspec import UnsetType, structs
from structlog.contextvars import bind_contextvars, unbind_contextvars

from parley.adapters.http.auth import NO_TOKEN, caller_of
from parley.adapters.http.chat.accepted import accepted_response
from parley.adapters.http.chat.message_bodies import message_body
from parley.adapters.http.chat.socket.commands import (
    Auth,
    Command,
    Ping,
    Stop,
    id_of,
    read_command,
    read_position,
)
from parley.adapters.http.chat.socket.frames import error_frame, event_frame, result_frame
from parley.adapters.http.errors import UNEXPECTED, problem_headers, problem_of
from parley.adapters.http.foreign_ids import NOT_FOUND, note_foreign_ids
from parley.adapters.http.ports import HttpPorts
from parley.adapters.http.streaming.frames import encode_json
from parley.adapters.http.streaming.permission import may_read, refuse_while_overloaded
from parley.core.accounts.errors import TokenInvalid
from parley.core.accounts.model import AuditEvent, Caller
from parley.core.chat.follow_room import follow_room
from parley.core.chat.messages import post_message
from parley.core.chat.room_events import RoomEvent, RoomPosition
from parley.core.chat.stop_reply import stop_reply
from parley.core.chat.tree import Head
from parley.core.errors import DomainError, Kind
from parley.core.tasks import cancel_and_wait

# Every protocol here sends something at least every 15 s.
HEARTBEAT_SECONDS = 15.0

log = structlog.get_logger("parley.http")


class CloseCode(IntEnum):
    """Why the server closes (RFC 6455, 7.4.1); from 4000 on the HTTP status that says the same, plus 4000."""

    UNSUPPORTED = 1003
    TOO_SLOW = 1008
    INTERNAL = 1011
    RESTART = 1012
    TRY_AGAIN = 1013
    INVALID = 4400
    UNAUTHENTICATED = 4401
    NOT_FOUND = 4404
    NO_FIRST_MESSAGE = 4408
    TOO_MANY = 4429


_CODES = {
    Kind.UNAUTHENTICATED: CloseCode.UNAUTHENTICATED,
    Kind.NOT_FOUND: CloseCode.NOT_FOUND,
    Kind.TOO_MANY: CloseCode.TOO_MANY,
    Kind.UNAVAILABLE: CloseCode.TRY_AGAIN,
}


# What sending raises once the client has left: uvicorn's ClientDisconnected is an OSError, and it and Litestar refuse
# whatever follows the disconnection.
_GONE = (OSError, RuntimeError, WebSocketDisconnect)


class _Closed(Exception):
    """The connection has ended."""


class RoomSocket:
    """A WebSocket to one room. Commands are carried out one after the other; another task sends the events.

    A client has `first_seconds` for its first message, as for the head of a request, and may read nothing for
    `send_seconds`; after that it can resume.
    """

    first_seconds = 10.0
    send_seconds = 20.0
    heartbeat_seconds = HEARTBEAT_SECONDS

    def __init__(self, socket: WebSocket[Any, Any, Any], ports: HttpPorts, room_id: UUID) -> None:
        self._socket = socket
        self._ports = ports
        self._room_id = room_id
        self._closing = False

    async def serve(self) -> None:
        """Accepts the connection and ends when it has ended, on whichever side."""
        await self._socket.accept()
        try:
            first = await self._first_command()
            self._caller = await self._identify(first)
            await self._ports.account_requests.take(self._caller.account_id)
            refuse_while_overloaded(self._ports)
            await self._serve_room(read_position(first.last_event_id))
        except _Closed:
            return
        except DomainError as refusal:
            await self._end_with(refusal)
        except Exception as error:  # noqa: BLE001  as for requests, whose exceptions Litestar logs
            await self._end_with(error)

    async def _serve_room(self, after: RoomPosition | None) -> None:
        events = follow_room(
            self._ports.chat,
            account_id=self._caller.account_id,
            room_id=self._room_id,
            after=after,
            keep_alive_seconds=self.heartbeat_seconds,
            may_read=self._may_read,
        )
        async with aclosing(events):
            await self._send(event_frame(await anext(events)))
            sending = asyncio.create_task(self._send_events(events))
            try:
                while True:
                    await self._answer(await self._receive())
                    # Nothing above need wait, and others would while many commands have arrived together.
                    await asyncio.sleep(0)
            finally:
                await cancel_and_wait(sending)

    async def _first_command(self) -> Auth:
        """Raises TokenInvalid for another command: without a token nothing else is looked at."""
        try:
            async with asyncio.timeout(self.first_seconds):
                command = read_command(await self._receive())
        except TimeoutError:
            await self._close(CloseCode.NO_FIRST_MESSAGE, "the first message did not arrive in time")
            raise _Closed from None
        if not isinstance(command, Auth):
            raise TokenInvalid(NO_TOKEN)
        return command

    async def _identify(self, auth: Auth) -> Caller:
        """Raises TokenInvalid, AccountSuspended."""
        accounts = self._ports.accounts
        try:
            caller = await caller_of(auth.token, self._socket.scope["path_template"], accounts)
            bind_contextvars(account_id=str(caller.account_id))
            await accounts.revocations.check(caller.session_id, caller.account_id)
        except TokenInvalid as refusal:
            accounts.audit.note(AuditEvent.TOKEN_REFUSED, how=refusal.reason)
            raise
        return caller

    async def _may_read(self) -> bool:
        caller = self._caller
        lasts = self._ports.accounts.now() < caller.expires_at
        return lasts and await may_read(self._ports, caller.session_id, caller.account_id)

    def _why_unreadable(self) -> DomainError:
        try:
            self._ports.accounts.revocations.check_known(self._caller.session_id, self._caller.account_id)
        except DomainError as refusal:
            return refusal
        return TokenInvalid("expired")

    # Events

    async def _send_events(self, events: AsyncGenerator[RoomEvent, None]) -> None:
        try:
            async for event in events:
                await self._send(event_frame(event))
            if self._ports.chat.open_rooms.closed:
                await self._close(CloseCode.RESTART, "this server restarts")
            else:
                await self._end_with(self._why_unreadable())
        except _Closed:
            return
        except Exception as error:  # noqa: BLE001  it ends the connection, whatever it is
            await self._end_with(error)

    # Commands

    async def _answer(self, text: str) -> None:
        command_id = id_of(text)
        try:
            # Whatever arrives, as reading it is work too.
            await self._ports.account_requests.take(self._caller.account_id)
            result = await self._carry_out(read_command(text))
        except DomainError as refusal:
            self._ports.meter.refused(refusal.code)
            await self._send(self._error_frame(refusal, command_id))
            if refusal.kind is Kind.UNAUTHENTICATED:
                await self._close(CloseCode.UNAUTHENTICATED, refusal.code)
        else:
            await self._send(result_frame(command_id, **result))

    async def _carry_out(self, command: Command) -> dict[str, Any]:
        """What the answer to the command says. Raises what the HTTP operation would raise."""
        if isinstance(command, Ping):
            return {}
        if isinstance(command, Auth):
            await self._renew(command)
            return {}
        caller, ports = self._caller, self._ports
        if not await self._may_read():
            raise TokenInvalid("revoked")
        if isinstance(command, Stop):
            stopped = await stop_reply(
                ports.chat, account_id=caller.account_id, room_id=self._room_id, reply_id=command.message_id
            )
            return {"message": message_body(stopped)}
        accepted = await post_message(
            ports.chat,
            account_id=caller.account_id,
            room_id=self._room_id,
            content=command.content,
            model=command.model,
            key=command.idempotency_key,
            parent=Head.SHOWN if isinstance(command.parent_id, UnsetType) else command.parent_id,
        )
        response = accepted_response(accepted, caller, ports)
        unbind_contextvars("reply_id")
        return structs.asdict(response.content) | {"headers": response.headers}

    async def _renew(self, auth: Auth) -> None:
        """A newer token, before the one in use expires. Raises TokenInvalid for another account's."""
        renewed = await self._identify(auth)
        if renewed.account_id != self._caller.account_id:
            raise TokenInvalid("other_account")
        self._caller = renewed

    # The connection

    async def _receive(self) -> str:
        """The next message. Raises _Closed, and MalformedCommand for bytes."""
        message: Any = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise _Closed
        text = message.get("text")
        if text is None:
            await self._close(CloseCode.UNSUPPORTED, "messages are JSON, sent as text")
            raise _Closed
        return str(text)

    async def _send(self, frame: dict[str, Any]) -> None:
        """Raises _Closed when the client has left or reads nothing."""
        if self._closing:
            raise _Closed
        text = encode_json(frame).decode()
        try:
            async with asyncio.timeout(self.send_seconds):
                await self._socket.send({"type": "websocket.send", "text": text, "bytes": None})
        except TimeoutError:
            await self._close(CloseCode.TOO_SLOW, "the client does not read")
            raise _Closed from None
        except _GONE:
            raise _Closed from None

    async def _close(self, code: CloseCode, reason: str = "") -> None:
        if self._closing:
            return
        self._closing = True
        with suppress(*_GONE):
            await self._socket.send({"type": "websocket.close", "code": code.value, "reason": reason})

    async def _end_with(self, error: Exception) -> None:
        """Say why, and close."""
        try:
            if isinstance(error, DomainError):
                self._ports.meter.refused(error.code)
                await self._send(self._error_frame(error, None))
                await self._close(_CODES.get(error.kind, CloseCode.INVALID), error.code)
            else:
                log.error("socket_crashed", exc_info=error)
                await self._send(error_frame(None, UNEXPECTED, {}))
                await self._close(CloseCode.INTERNAL)
        except _Closed:
            return
        if isinstance(error, NOT_FOUND):
            await note_foreign_ids(self._socket, self._ports)

    def _error_frame(self, refusal: DomainError, command_id: str | None) -> dict[str, Any]:
        return error_frame(command_id, problem_of(refusal), problem_headers(refusal, self._ports.accounts.now()))
