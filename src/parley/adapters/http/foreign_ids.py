"""Requests for what belongs to another account, in the audit trail."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from litestar.connection import ASGIConnection

from parley.adapters.http.openai.response_ids import ConversationNotFound, ItemNotFound, ResponseNotFound, read_id
from parley.adapters.http.ports import HttpPorts
from parley.core.accounts.api_keys import owner_of_key
from parley.core.accounts.errors import ApiKeyNotFound, SessionNotFound
from parley.core.accounts.model import AuditEvent
from parley.core.accounts.sessions import owner_of_session
from parley.core.chat.errors import MessageNotFound, RoomNotFound
from parley.core.chat.owners import owner_of_message, owner_of_room
from parley.core.errors import Unavailable

NOT_FOUND = (
    RoomNotFound,
    MessageNotFound,
    SessionNotFound,
    ApiKeyNotFound,
    ResponseNotFound,
    ConversationNotFound,
    ItemNotFound,
)

log = structlog.get_logger("parley.http")


async def note_foreign_ids(request: ASGIConnection[Any, Any, Any, Any], ports: HttpPorts) -> None:
    """Note each id in the path that another account owns.

    Called after the response, so that its time is the same as for an unknown id. The account is that of the
    request's log lines.
    """
    account_id = structlog.contextvars.get_contextvars().get("account_id")
    owner_of: dict[str, Callable[[Any], Awaitable[UUID | None]]] = {
        "chatroom": partial(owner_of_room, ports.chat),
        "message": partial(owner_of_message, ports.chat),
        "response": partial(_owner_of_response, ports),
        "conversation": partial(_owner_of_conversation, ports),
        "session": partial(owner_of_session, ports.accounts),
        "api_key": partial(owner_of_key, ports.accounts),
    }
    try:
        for what, read_owner in owner_of.items():
            asked_for = request.path_params.get(f"{what}_id")
            owner = None if asked_for is None else await read_owner(asked_for)
            if owner is not None and str(owner) != account_id:
                ports.accounts.audit.note(AuditEvent.FOREIGN_ID, how=what)
    except Unavailable:
        log.warning("foreign_ids_unknown", hint="the database did not answer")


async def _owner_of_response(ports: HttpPorts, response_id: str) -> UUID | None:
    reply_id = read_id(response_id, "resp")
    return None if reply_id is None else await owner_of_message(ports.chat, reply_id)


async def _owner_of_conversation(ports: HttpPorts, conversation_id: str) -> UUID | None:
    room_id = read_id(conversation_id, "conv")
    return None if room_id is None else await owner_of_room(ports.chat, room_id)
