"""HTTP endpoint for exporting everything that an account owns, as one streamed JSON document."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import MediaType, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Stream
from msgspec import Struct

from parley.adapters.http.accounts.account import AccountBody, account_body
from parley.adapters.http.accounts.api_keys import ApiKeyBody, api_key_body
from parley.adapters.http.accounts.sessions import SessionBody, session_body
from parley.adapters.http.auth import BEARER, AuthenticatedRequest
from parley.adapters.http.billing.usage import DayBody, day_body
from parley.adapters.http.chat.message_bodies import MessageBody, message_body
from parley.adapters.http.chat.room_bodies import RoomBody, room_body
from parley.adapters.http.chat.sharing import ShareBody, share_body
from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import COPIED_AT, MESSAGE, REPLY, REPLY_ID, SHARE_URL, described
from parley.adapters.http.openapi.operation import header, operation
from parley.adapters.http.ports import HttpPorts, Ports
from parley.adapters.http.rate_limits.account import EXPORTS_PER_HOUR, limit_account
from parley.core.accounts.api_keys import MOST_KEYS, read_keys
from parley.core.accounts.model import Account, Caller
from parley.core.accounts.profile import read_account
from parley.core.accounts.sessions import read_sessions
from parley.core.billing.usage import read_days, read_plan
from parley.core.chat.export import ExportedMessage, ExportedRoom, read_everything
from parley.core.chat.reply_settings import ReplySettings

MOST_SESSIONS = 1_000
_DISPOSITION = 'attachment; filename="parley-export.json"'
_HEADERS = {"Cache-Control": "no-store", "Content-Disposition": _DISPOSITION}


class OptionsExport(Struct):
    """How the answer was to be written; null what was left to the model's provider."""

    temperature: Annotated[float | None, described("How varied", 1.0)]
    top_p: Annotated[float | None, described("Nucleus sampling", None)]
    max_tokens: Annotated[int | None, described("The most tokens of the answer, its reasoning included", 1_000)]
    stop: Annotated[list[str], described("Texts before which the answer ends", [])]
    seed: Annotated[int | None, described("Equal requests with the same seed may be answered equally", None)]


class SettingsExport(Struct):
    """What a client of OpenAI's responses asked of one reply besides its message."""

    instructions: Annotated[str | None, described("Instructions for only this reply; null without any", "Be brief.")]
    options: Annotated[OptionsExport, described("How it was to be written")]
    metadata: Annotated[dict[str, str], described("Names and values that the client gave", {"topic": "holidays"})]
    background: Annotated[bool, described("Whether the client did not wait for the reply", False)]
    after: Annotated[UUID | None, described("The reply that the client named to go on from; null for none", REPLY_ID)]


class MessageExport(MessageBody):
    """A message with what a client attached to it."""

    settings: Annotated[SettingsExport | None, described("What was asked of the reply besides; null for nothing", None)]


class RoomExport(RoomBody):
    """A chatroom with its shared copy, its metadata and all its messages, oldest first."""

    share: Annotated[
        ShareBody | None,
        described("The shared copy; null if the chatroom is not shared", {"url": SHARE_URL, "created_at": COPIED_AT}),
    ]
    metadata: Annotated[
        dict[str, str],
        described("Names and values that a client of OpenAI's conversations gave", {"topic": "holidays"}),
    ]
    messages: Annotated[
        list[MessageExport],
        described(
            "All messages of the chatroom, oldest first", [MESSAGE | {"settings": None}, REPLY | {"settings": None}]
        ),
    ]


class ExportBody(Struct):
    """All data of an account."""

    exported_at: Annotated[datetime, described("When the export started", "2026-11-21T09:45:00Z")]
    account: Annotated[AccountBody, described("The account")]
    sessions: Annotated[list[SessionBody], described("The sessions of the account")]
    api_keys: Annotated[list[ApiKeyBody], described("The API keys of the account, without their secrets")]
    usage: Annotated[list[DayBody], described("Usage of every day with any usage")]
    chatrooms: Annotated[list[RoomExport], described("The chatrooms with their messages")]


@get(
    "/user/me/export",
    operation_id="exportAccount",
    summary="Export all data of the account",
    tags=("Account",),
    security=BEARER,
    media_type=MediaType.JSON,
    operation_class=operation(
        headers={
            200: {
                "Content-Disposition": header(
                    "Makes browsers save a file", _DISPOSITION, _DISPOSITION.replace(".", r"\.")
                )
            }
        }
    ),
    responses={
        200: ResponseSpec(ExportBody, generate_examples=False, description="Streamed while the data is read"),
        **problems(401),
    },
)
async def export_account(request: AuthenticatedRequest, ports: Ports) -> Response[Any]:
    """One JSON document of any size. If the connection breaks, the document is incomplete and so not valid JSON.

    One at a time, and ten in an hour.
    """
    await limit_account(ports, request.user.account_id, "export", per_hour=EXPORTS_PER_HOUR)
    document = _document(request, ports)
    # Read before the response begins, so that an error here still gets its own status.
    head = await anext(document)
    return Stream(_after(head, document), media_type=MediaType.JSON, headers=_HEADERS)


async def _head(account: Account, caller: Caller, ports: HttpPorts) -> bytes:
    """Everything except the rooms, without the closing brace."""
    now = ports.accounts.now()
    plan = await read_plan(ports.billing, account_id=account.id)
    sessions, _ = await read_sessions(ports.accounts, account_id=account.id, before=None, limit=MOST_SESSIONS)
    keys, _ = await read_keys(ports.accounts, account_id=account.id, before=None, limit=MOST_KEYS)
    days = await read_days(ports.billing, account_id=account.id, first=date.min)
    return msgspec.json.encode(
        {
            "exported_at": now,
            "account": account_body(account, plan),
            "sessions": [session_body(session, current=caller.session_id) for session in sessions],
            "api_keys": [api_key_body(key) for key in keys],
            "usage": [day_body(day) for day in days],
        }
    ).removesuffix(b"}")


async def _after(head: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(rest):
        yield head
        async for each in rest:
            yield each


async def _document(request: AuthenticatedRequest, ports: HttpPorts) -> AsyncGenerator[bytes, None]:
    """The head first, then the rooms. Raises TooManyRequests before it while another export is under way."""
    caller = request.user
    with ports.exports.one_more(caller.account_id):
        account = await read_account(ports.accounts, account_id=caller.account_id)
        yield await _head(account, caller, ports) + b',"chatrooms":['
        async with aclosing(_rooms(request, ports)) as rooms:
            async for each in rooms:
                yield each


async def _rooms(request: AuthenticatedRequest, ports: HttpPorts) -> AsyncGenerator[bytes, None]:
    before_room, before_message = b"", b""
    async with aclosing(read_everything(ports.chat, account_id=request.user.account_id)) as found:
        async for each in found:
            if isinstance(each, ExportedRoom):
                opened = msgspec.json.encode(room_body(each.room)).removesuffix(b"}")
                share = msgspec.json.encode(None if each.share is None else share_body(each.share, request, ports))
                metadata = msgspec.json.encode(dict(each.room.metadata))
                yield before_room + opened + b',"share":' + share + b',"metadata":' + metadata + b',"messages":['
                before_room, before_message = b"]},", b""
            else:
                yield before_message + b",".join(map(_message, each))
                before_message = b","
    yield (b"]}" if before_room else b"") + b"]}"


def _message(exported: ExportedMessage) -> bytes:
    opened = msgspec.json.encode(message_body(exported.message)).removesuffix(b"}")
    settings = None if exported.settings is None else _settings_body(exported.settings)
    return opened + b',"settings":' + msgspec.json.encode(settings) + b"}"


def _settings_body(settings: ReplySettings) -> SettingsExport:
    return SettingsExport(
        instructions=settings.instructions,
        options=OptionsExport(**asdict(settings.options)),
        metadata=dict(settings.metadata),
        background=settings.in_background,
        after=settings.after,
    )
