"""Everything that an account owns as one JSON document, written while it is read."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Stream
from msgspec import Struct

from parley.adapters.http.accounts.account import AccountBody, account_body
from parley.adapters.http.accounts.sessions import SessionBody, session_body
from parley.adapters.http.auth import BEARER
from parley.adapters.http.billing.usage import DayBody, day_body
from parley.adapters.http.chat.message_bodies import MessageBody, message_body
from parley.adapters.http.chat.rooms import RoomBody, room_body
from parley.adapters.http.errors import documented
from parley.adapters.http.openapi.fields import MESSAGE, REPLY, described
from parley.adapters.http.ports import HttpPorts, Ports
from parley.core.accounts.model import Account, Caller
from parley.core.accounts.profile import read_account
from parley.core.accounts.sessions import read_sessions
from parley.core.billing.usage import read_days, read_plan
from parley.core.chat.export import read_everything
from parley.core.chat.model import Room

MOST_SESSIONS = 1_000
_HEADERS = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="parley-export.json"'}


class RoomExport(RoomBody):
    """A chatroom with all its messages, oldest first."""

    messages: Annotated[list[MessageBody], described("All that was said, oldest first", [MESSAGE, REPLY])]


class ExportBody(Struct):
    """Everything that the account owns."""

    exported_at: Annotated[datetime, described("When it was read", "2026-11-21T09:45:00Z")]
    account: Annotated[AccountBody, described("The account itself")]
    sessions: Annotated[list[SessionBody], described("Where it is signed in")]
    usage: Annotated[list[DayBody], described("Every day on which it used anything")]
    chatrooms: Annotated[list[RoomExport], described("The chatrooms with all their messages")]


@get(
    "/user/me/export",
    operation_id="exportAccount",
    summary="Everything the account owns, as one download",
    tags=("Account",),
    security=BEARER,
    media_type=MediaType.JSON,
    responses={
        200: ResponseSpec(ExportBody, generate_examples=False, description="Streamed while it is read"),
        **documented(401),
    },
)
async def export_account(request: Request[Caller, Any, Any], ports: Ports) -> Response[Any]:
    """One JSON document of any size. A connection that is cut leaves it incomplete, and so not valid JSON."""
    # Read before the answer begins, so that what goes wrong here is still a problem with its status.
    account = await read_account(uow=ports.accounts.uow, account_id=request.user.account_id)
    head = await _head(account, request.user, ports)
    return Stream(_document(head, account, ports), media_type=MediaType.JSON, headers=_HEADERS)


async def _head(account: Account, caller: Caller, ports: HttpPorts) -> bytes:
    """All but the rooms, without the closing brace."""
    now = ports.accounts.now()
    plan = await read_plan(ports.billing, account_id=account.id)
    sessions, _ = await read_sessions(
        uow=ports.accounts.uow, account_id=account.id, before=None, limit=MOST_SESSIONS, now=now
    )
    days = await read_days(ports.billing, account_id=account.id, first=date.min)
    return msgspec.json.encode(
        {
            "exported_at": now,
            "account": account_body(account, plan),
            "sessions": [session_body(session, current=caller.session_id) for session in sessions],
            "usage": [day_body(day) for day in days],
        }
    ).removesuffix(b"}")


async def _document(head: bytes, account: Account, ports: HttpPorts) -> AsyncGenerator[bytes, None]:
    yield head + b',"chatrooms":['
    before_room, before_message = b"", b""
    async with aclosing(read_everything(uow=ports.chat.uow, account_id=account.id)) as found:
        async for each in found:
            if isinstance(each, Room):
                opened = msgspec.json.encode(room_body(each)).removesuffix(b"}")
                yield before_room + opened + b',"messages":['
                before_room, before_message = b"]},", b""
            else:
                written = b",".join(msgspec.json.encode(message_body(message)) for message in each)
                yield before_message + written
                before_message = b","
    yield (b"]}" if before_room else b"") + b"]}"
