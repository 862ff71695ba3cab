"""The HTTP endpoint that streams a reply as server-sent events."""

import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Controller, Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import HeaderParameter, PathParameter, QueryParameter
from msgspec import Struct
from structlog.contextvars import bind_contextvars

from parley.adapters.http.auth import BEARER_KEY_OR_TICKET, PUBLIC, bearer_caller
from parley.adapters.http.chat.message_bodies import RoomId, message_body
from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import REPLY, REPLY_ID, TICKET, described, example
from parley.adapters.http.openapi.operation import operation
from parley.adapters.http.ports import HttpPorts, ports_of
from parley.adapters.http.streaming.frames import DOCUMENTED, KEEP_ALIVE, encode_json, event_stream
from parley.adapters.http.streaming.permission import OVERLOADED_SECONDS, may_read, refuse_while_overloaded
from parley.core.accounts.errors import AccountSuspended, TokenInvalid
from parley.core.chat.errors import MessageNotFound, NotAReply
from parley.core.chat.follow_reply import BEGINNING, follow_reply
from parley.core.chat.model import EventId
from parley.core.chat.parts import PartKind
from parley.core.chat.reply_events import AttemptStarted, Delta, KeepAlive, ReplyEnded, ReplyEvent, Snapshot, end_of
from parley.core.chat.tickets import TicketInvalid
from parley.core.errors import InvalidInput, Overloaded

KEEP_ALIVE_SECONDS = 15.0
# Sent immediately, so that the headers are sent too. Browsers reconnect after this number of milliseconds.
_OPENING = b"retry: 1000\n\n"
_EVENT_ID = re.compile("([0-9]{1,9})-([0-9]{1,9})")
_NAMES = {PartKind.TEXT: b"delta", PartKind.REASONING: b"reasoning"}

# May be empty, as browsers send it before the first event. Written with ASCII digits for the OpenAPI document.
EVENT_ID = "^([0-9]{1,9}-[0-9]{1,9})?$"

_EXAMPLE = f"""\
retry: 1000

id: 1-0
event: start
data: {{"attempt":1}}

id: 1-10
event: delta
data: {{"text":"You said: "}}

id: 1-34
event: delta
data: {{"text":"Where is it warm in May?"}}

id: 1-35
event: done
data: {{"message":{json.dumps(REPLY, separators=(",", ":"))}}}
"""


class StreamEvent(Struct):
    """An event of a reply stream."""

    id: Annotated[
        str, described("Send it as Last-Event-ID to resume after this event", "1-10", pattern="^[0-9]+-[0-9]+$")
    ]
    event: Annotated[
        Literal["start", "reasoning", "delta", "done", "failed", "stopped", "error"],
        described("Clear text and reasoning at a repeated `start`. The last four end the stream", "delta"),
    ]
    data: Annotated[
        str,
        described(
            "`{attempt}` for `start`, `{text}` for `reasoning` and `delta`, `{code, detail}` for `error`, `{message}` "
            "for the other last events",
            '{"text":"You said: "}',
            contentMediaType="application/json",
        ),
    ]


_EVENTS = ResponseSpec(
    StreamEvent,
    generate_examples=False,
    media_type="text/event-stream",
    description="`start {attempt}` (clear text and reasoning at a later attempt), `reasoning {text}` while the model "
    "thinks, `delta {text}`, and finally `done {message}`, `failed {message}` or `stopped {message}`, sent after the "
    "reply is stored; or `error {code, detail}` when the account is suspended meanwhile",
    examples=[Example(summary="a reply", value=_EXAMPLE)],
)


LastEventId = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID",
        description="Resume after the event with this id",
        examples=example("1-6"),
        schema_extra={"pattern": EVENT_ID},
    ),
]
LastEventIdParameter = Annotated[
    str | None,
    QueryParameter(
        name="last_event_id",
        description="As `Last-Event-ID`, for clients that cannot send headers",
        examples=example("1-6"),
        schema_extra={"pattern": EVENT_ID},
    ),
]


class ReplyController(Controller):
    path = "/chatroom/{chatroom_id:uuid}/messages/{message_id:uuid}"
    tags = ("Messages",)
    security = BEARER_KEY_OR_TICKET

    @get(
        "/stream",
        operation_id="streamReply",
        summary="Stream a reply",
        opt=PUBLIC,
        operation_class=operation(headers={200: DOCUMENTED}),
        responses={
            200: _EVENTS,
            204: ResponseSpec(
                None, description="The client has received everything; makes a browser's EventSource stop reconnecting"
            ),
            **problems(
                InvalidInput("Last-Event-ID", "is not an id of this stream, such as 1-42"),
                401,
                TicketInvalid(),
                MessageNotFound(),
                NotAReply(),
                Overloaded(OVERLOADED_SECONDS),
                429,
            ),
        },
    )
    async def stream(
        self,
        chatroom_id: RoomId,
        message_id: Annotated[UUID, PathParameter(description="The reply's id", examples=example(REPLY_ID))],
        request: Request[Any, Any, Any],
        ticket: Annotated[
            str | None,
            QueryParameter(
                max_length=4_096,
                description="The ticket in `stream_url`; an alternative to the access token",
                examples=example(TICKET),
            ),
        ] = None,
        last_event_id: LastEventId = None,
        last_event_id_parameter: LastEventIdParameter = None,
    ) -> Response[Any]:
        """Server-sent events. Resumes without gap or repetition, on any API process, also after the reply has ended.

        Everything that happens in a chatroom comes over its WebSocket, `/chatroom/{id}/socket`: see docs/websocket.md.
        """
        ports = ports_of(request)
        account_id, session_id = await _reader(request, ports, chatroom_id, message_id, ticket)
        bind_contextvars(account_id=str(account_id), reply_id=str(message_id))
        await ports.accounts.revocations.check(session_id, account_id)
        await ports.account_requests.take(account_id)
        refuse_while_overloaded(ports)
        after = _event_id(last_event_id, "Last-Event-ID") or _event_id(last_event_id_parameter, "last_event_id")
        events = follow_reply(
            ports.chat,
            account_id=account_id,
            room_id=chatroom_id,
            reply_id=message_id,
            after=after,
            keep_alive_seconds=KEEP_ALIVE_SECONDS,
            may_read=partial(may_read, ports, session_id, account_id),
        )
        match await anext(events):
            case Snapshot(reply) if reply.status.ended and after == end_of(reply):
                await events.aclose()
                return Response(None, status_code=204)
        check_access = partial(ports.accounts.revocations.check_known, session_id, account_id)
        return event_stream(_encoded(events, after or BEGINNING, check_access))


async def _reader(
    request: Request[Any, Any, Any], ports: HttpPorts, room_id: UUID, reply_id: UUID, ticket: str | None
) -> tuple[UUID, UUID]:
    """The account and session that ask for this reply. Raises TicketInvalid, TokenInvalid."""
    # The token or key wins, so that a client with an old stream_url and a valid token is not refused.
    if ticket is None or "authorization" in request.headers:
        caller = await bearer_caller(request.headers, request.scope["path_template"], ports.accounts)
        return caller.account_id, caller.session_id
    permitted = ports.chat.tickets.read(ticket, ports.chat.now())
    if (permitted.room_id, permitted.reply_id) != (room_id, reply_id):
        raise TicketInvalid
    return permitted.account_id, permitted.session_id


def _event_id(text: str | None, field: str) -> EventId | None:
    if not text:
        return None
    parts = _EVENT_ID.fullmatch(text)
    if parts is None:
        raise InvalidInput(field, "is not an id of this stream, such as 1-42")
    return EventId(int(parts[1]), int(parts[2]))


async def _encoded(
    events: AsyncGenerator[ReplyEvent, None], position: EventId, check_access: Callable[[], None]
) -> AsyncGenerator[bytes, None]:
    """The last event is `error` if the stream ends since the account was suspended, which the client cannot know."""
    yield _OPENING
    ended = False
    async with aclosing(events):
        async for event in events:
            match event:
                case AttemptStarted(position) | Delta(position, _, _):
                    pass
                case ReplyEnded():
                    ended = True
            yield _encode(event)
    if not ended:
        try:
            check_access()
        except AccountSuspended as refusal:
            yield _event(position, b"error", {"code": refusal.code, "detail": refusal.detail})
        except TokenInvalid:
            return


def _encode(event: ReplyEvent) -> bytes:
    match event:
        case AttemptStarted(position):
            return _event(position, b"start", {"attempt": position.attempt})
        case Delta(position, text, kind):
            return _event(position, _NAMES[kind], {"text": text})
        case ReplyEnded(position, message):
            name = b"done" if message.status.value == "completed" else message.status.value.encode()
            return _event(position, name, {"message": message_body(message)})
        case Snapshot() | KeepAlive():
            return KEEP_ALIVE


def _event(position: EventId, name: bytes, data: object) -> bytes:
    return b"id: %d-%d\nevent: %s\ndata: %s\n\n" % (position.attempt, position.offset, name, encode_json(data))
