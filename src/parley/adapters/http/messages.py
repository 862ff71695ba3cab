"""Messages over HTTP."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.datastructures import ResponseHeader
from litestar.params import FromPath, HeaderParameter, JSONBody, PathParameter
from msgspec import Meta, Struct

from parley.adapters.http.auth import BEARER
from parley.adapters.http.pages import Cursor, Limit, position_cursor, read_position_cursor
from parley.adapters.http.ports import HttpPorts, Ports
from parley.adapters.http.prefer import wait_seconds
from parley.adapters.http.problems import documented
from parley.adapters.http.quota_headers import quota_headers
from parley.core.accounts.model import Caller
from parley.core.chat.follow_reply import wait_for_end
from parley.core.chat.messages import Accepted, post_message, read_message, read_messages
from parley.core.chat.model import IDEMPOTENCY_KEY_CHARACTERS, MESSAGE_CHARACTERS, Message, Role
from parley.core.chat.stop_reply import stop_reply
from parley.core.chat.tickets import TICKET_SECONDS, Ticket


class NewMessage(Struct, forbid_unknown_fields=True):
    """What the user says. `model` writes this one reply instead of the room's."""

    content: Annotated[str, Meta(min_length=1, max_length=MESSAGE_CHARACTERS, examples=["Where is it warm in May?"])]
    model: Annotated[str, Meta(max_length=200, examples=["offline/echo"])] | None = None


class UsageBody(Struct):
    """What the model counted."""

    input_tokens: int
    output_tokens: int


class ErrorBody(Struct):
    """Why a reply failed."""

    code: Annotated[str, Meta(examples=["model_unavailable"])]
    detail: str


class MessageBody(Struct):
    """A message of the user or a reply of the model. Only a reply is ever anything but completed."""

    id: UUID
    chatroom_id: UUID
    role: Literal["user", "assistant"]
    content: str
    status: Literal["completed", "pending", "generating", "failed", "stopped"]
    model: str | None
    reply_to: UUID | None
    usage: UsageBody | None
    error: ErrorBody | None
    created_at: datetime
    completed_at: datetime | None


class MessagePageBody(Struct):
    """Messages, oldest first. `next_cursor` leads to older ones and is null when there are none."""

    items: list[MessageBody]
    next_cursor: str | None


class AcceptedBody(Struct):
    """The message, its reply that is being written, and where to watch it; the address holds a ticket of 10 minutes."""

    message: MessageBody
    reply: MessageBody
    stream_url: str


MessageId = Annotated[UUID, PathParameter(description="The message's id")]


def _header(name: str, description: str) -> ResponseHeader:
    """For the document alone; the value is what makes Litestar give it the schema that OpenAPI demands."""
    return ResponseHeader(name, value="", description=description, documentation_only=True)


class MessageController(Controller):
    path = "/chatroom/{chatroom_id:uuid}"
    tags = ("Messages",)
    security = BEARER

    @post(
        "/message",
        status_code=202,
        operation_id="postMessage",
        summary="Say something and get a reply",
        responses=documented(400, 401, 404, 413, 415, 422, 429),
        response_headers=[
            _header("Location", "The reply"),
            _header("RateLimit-Policy", 'Basic plan: "daily";q=5;w=86400'),
            _header("RateLimit", 'Basic plan: "daily";r=4;t=3600'),
            _header("Idempotent-Replayed", "true for a repeat"),
        ],
    )
    async def say(
        self,
        chatroom_id: FromPath[UUID],
        data: JSONBody[NewMessage],
        request: Request[Caller, Any, Any],
        ports: Ports,
        idempotency_key: Annotated[
            str | None,
            HeaderParameter(
                name="Idempotency-Key",
                min_length=1,
                max_length=IDEMPOTENCY_KEY_CHARACTERS,
                description="Makes a repeat within 24 hours answer the same and change nothing",
            ),
        ] = None,
    ) -> Response[AcceptedBody]:
        """202 is a promise: the reply ends completed, stopped, or failed with its quota returned."""
        now = ports.now()
        accepted = await post_message(
            uow=ports.chat,
            queue=ports.reply_queue,
            cache=ports.room_list_cache,
            catalogue=ports.catalogue,
            max_pending=ports.max_pending,
            account_id=request.user.account_id,
            room_id=chatroom_id,
            content=data.content,
            model=data.model,
            key=idempotency_key,
            new_id=ports.new_id,
            now=now,
        )
        return _accepted(accepted, request.user, ports, now)

    @get(
        "/messages",
        operation_id="listMessages",
        summary="What was said",
        responses=documented(400, 401, 404),
    )
    async def read_all(
        self,
        chatroom_id: FromPath[UUID],
        request: Request[Caller, Any, Any],
        ports: Ports,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> MessagePageBody:
        """The newest page first, each page oldest first."""
        page = await read_messages(
            uow=ports.chat,
            account_id=request.user.account_id,
            room_id=chatroom_id,
            before=read_position_cursor(cursor),
            limit=limit,
        )
        return MessagePageBody([message_body(message) for message in page.items], position_cursor(page.next_cursor))

    @get(
        "/messages/{message_id:uuid}",
        operation_id="getMessage",
        summary="One message",
        responses=documented(400, 401, 404),
    )
    async def read(
        self,
        chatroom_id: FromPath[UUID],
        message_id: MessageId,
        request: Request[Caller, Any, Any],
        ports: Ports,
        prefer: Annotated[
            str | None,
            HeaderParameter(
                name="Prefer", description="wait=N: answer when the reply has ended, after N ≤ 30 s at most"
            ),
        ] = None,
    ) -> Response[MessageBody]:
        found = await read_message(
            uow=ports.chat, account_id=request.user.account_id, room_id=chatroom_id, message_id=message_id
        )
        seconds = wait_seconds(prefer)
        if seconds is None:
            return Response(message_body(found))
        if seconds > 0 and found.role is Role.ASSISTANT and not found.status.ended:
            ended = await wait_for_end(
                uow=ports.chat,
                stream=ports.reply_stream,
                account_id=request.user.account_id,
                room_id=chatroom_id,
                reply_id=message_id,
                seconds=seconds,
            )
            found = ended or found
        return Response(message_body(found), headers={"Preference-Applied": f"wait={seconds}"})

    @post(
        "/messages/{message_id:uuid}/stop",
        status_code=200,
        operation_id="stopReply",
        summary="Stop a reply",
        responses=documented(400, 401, 404),
    )
    async def stop(
        self,
        chatroom_id: FromPath[UUID],
        message_id: MessageId,
        request: Request[Caller, Any, Any],
        ports: Ports,
    ) -> MessageBody:
        """Keeps the text so far. A reply that has ended stays as it is."""
        stopped = await stop_reply(
            uow=ports.chat,
            stream=ports.reply_stream,
            queue=ports.reply_queue,
            signals=ports.stop_signals,
            account_id=request.user.account_id,
            room_id=chatroom_id,
            reply_id=message_id,
            now=ports.now,
        )
        return message_body(stopped)


def message_body(message: Message) -> MessageBody:
    usage, error = message.usage, message.error
    return MessageBody(
        id=message.id,
        chatroom_id=message.room_id,
        role=message.role.value,
        content=message.content,
        status=message.status.value,
        model=message.model,
        reply_to=message.reply_to,
        usage=None if usage is None else UsageBody(usage.input_tokens, usage.output_tokens),
        error=None if error is None else ErrorBody(error.code, error.detail),
        created_at=message.created_at,
        completed_at=message.completed_at,
    )


def _accepted(accepted: Accepted, caller: Caller, ports: HttpPorts, now: datetime) -> Response[AcceptedBody]:
    reply = accepted.reply
    address = f"{ports.public_url}/chatroom/{reply.room_id}/messages/{reply.id}"
    # A repeat carries the very ticket of the first answer while that one lasts.
    fresh = now - reply.created_at < timedelta(seconds=TICKET_SECONDS)
    right = Ticket(caller.account_id, caller.session_id, reply.room_id, reply.id)
    ticket = ports.tickets.issue(right, reply.created_at if fresh else now)
    return Response(
        AcceptedBody(message_body(accepted.question), message_body(reply), f"{address}/stream?ticket={ticket}"),
        status_code=202,
        headers={
            "Location": address,
            **quota_headers(accepted.allowance, now),
            **({"Idempotent-Replayed": "true"} if accepted.replayed else {}),
        },
    )
