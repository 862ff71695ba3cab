"""HTTP endpoints for messages."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from litestar import Controller, Response, get, post
from litestar.params import HeaderParameter, JSONBody
from structlog.contextvars import bind_contextvars

from parley.adapters.http.auth import BEARER, AuthenticatedRequest
from parley.adapters.http.chat.message_bodies import (
    AcceptedBody,
    MessageBody,
    MessageId,
    MessagePageBody,
    NewMessage,
    RoomId,
    message_body,
)
from parley.adapters.http.chat.prefer import wait_seconds
from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import REPLY_ID, ROOM_ID, example
from parley.adapters.http.openapi.operation import header, link, operation
from parley.adapters.http.pagination import Limit, MessageCursor, position_cursor, read_position_cursor
from parley.adapters.http.ports import HttpPorts, Ports
from parley.adapters.http.quota_headers import QUOTA_HEADERS, quota_headers
from parley.core.accounts.model import Caller
from parley.core.chat.errors import (
    IdempotencyMismatch,
    MessageNotFound,
    NotAReply,
    QuotaExceeded,
    RoomNotFound,
    TooManyPending,
    UnknownModel,
)
from parley.core.chat.follow_reply import wait_for_end
from parley.core.chat.messages import Accepted, add_parts_so_far, post_message, read_message, read_messages
from parley.core.chat.model import IDEMPOTENCY_KEY_CHARACTERS, Allowance, Role
from parley.core.chat.stop_reply import stop_reply
from parley.core.chat.tickets import TICKET_SECONDS, Ticket
from parley.core.errors import InvalidInput

# The used-up quota of example problems.
_USED_UP = Allowance(limit=5, remaining=0, resets_at=datetime(2026, 11, 22, tzinfo=UTC))
_ACCEPTED_HEADERS = {
    "Location": header("The address of the reply", f"/chatroom/{ROOM_ID}/messages/{REPLY_ID}", ".+"),
    **QUOTA_HEADERS,
    "Idempotent-Replayed": header("Only on a repeated request", "true", "true", always=False),
}
_APPLIED = {"Preference-Applied": header("The applied preference", "wait=10", "wait=[0-9]+", always=False)}
_REPLY = {"chatroom_id": "$response.body#/reply/chatroom_id", "message_id": "$response.body#/reply/id"}
_ACCEPTED_LINKS = {
    "watch": link("streamReply", "The stream of the reply", parameters=_REPLY),
    "read": link("getMessage", "The text of the reply so far", parameters=_REPLY),
    "stop": link("stopReply", "Stop generating the reply", parameters=_REPLY),
}


class MessageController(Controller):
    path = "/chatroom/{chatroom_id:uuid}"
    tags = ("Messages",)
    security = BEARER

    @post(
        "/message",
        status_code=202,
        operation_id="postMessage",
        summary="Send a message",
        operation_class=operation(
            examples={"text": {"content": "Where is it warm in May?"}},
            headers={202: _ACCEPTED_HEADERS, 429: QUOTA_HEADERS},
            links={202: _ACCEPTED_LINKS},
        ),
        responses=problems(
            InvalidInput("content", "must have 1 to 32,000 characters"),
            UnknownModel("none/such"),
            401,
            RoomNotFound(),
            413,
            415,
            IdempotencyMismatch(),
            QuotaExceeded(_USED_UP),
            TooManyPending(20, _USED_UP),
        ),
    )
    async def say(
        self,
        chatroom_id: RoomId,
        data: JSONBody[NewMessage],
        request: AuthenticatedRequest,
        ports: Ports,
        idempotency_key: Annotated[
            str | None,
            HeaderParameter(
                name="Idempotency-Key",
                min_length=1,
                max_length=IDEMPOTENCY_KEY_CHARACTERS,
                description="A repeated request with the same key within 24 hours has the same response and no effect",
                examples=example("6f1b0c9e-say-it-once"),
            ),
        ] = None,
    ) -> Response[AcceptedBody]:
        """202 is a promise: the reply ends as completed, as stopped, or as failed with its quota returned."""
        accepted = await post_message(
            ports.chat,
            account_id=request.user.account_id,
            room_id=chatroom_id,
            content=data.content,
            model=data.model,
            key=idempotency_key,
        )
        # Connects this request's log lines with the worker's.
        bind_contextvars(reply_id=str(accepted.reply.id))
        return _accepted(accepted, request.user, ports)

    @get(
        "/messages",
        operation_id="listMessages",
        summary="List the messages",
        responses=problems(400, 401, RoomNotFound()),
    )
    async def read_all(
        self,
        chatroom_id: RoomId,
        request: AuthenticatedRequest,
        ports: Ports,
        limit: Limit = 50,
        cursor: MessageCursor = None,
    ) -> MessagePageBody:
        """The newest page first, each page oldest first."""
        page = await read_messages(
            ports.chat,
            account_id=request.user.account_id,
            room_id=chatroom_id,
            before=read_position_cursor(cursor),
            limit=limit,
        )
        return MessagePageBody([message_body(message) for message in page.items], position_cursor(page.next_cursor))

    @get(
        "/messages/{message_id:uuid}",
        operation_id="getMessage",
        summary="Read a message",
        operation_class=operation(headers={200: _APPLIED}),
        responses=problems(400, 401, MessageNotFound(), 429),
    )
    async def read(
        self,
        chatroom_id: RoomId,
        message_id: MessageId,
        request: AuthenticatedRequest,
        ports: Ports,
        prefer: Annotated[
            str | None,
            HeaderParameter(
                name="Prefer",
                description="`wait=N`: respond when the reply has ended, but after at most N seconds (N ≤ 30)",
                examples=example("wait=10"),
            ),
        ] = None,
    ) -> Response[MessageBody]:
        """`Prefer: wait=N` waits for a reply that is being written; otherwise it is returned as far as it is."""
        found = await read_message(
            ports.chat, account_id=request.user.account_id, room_id=chatroom_id, message_id=message_id
        )
        seconds = wait_seconds(prefer)
        if seconds and found.role is Role.ASSISTANT and not found.status.ended:
            ended = await wait_for_end(
                ports.chat,
                account_id=request.user.account_id,
                room_id=chatroom_id,
                reply_id=message_id,
                seconds=seconds,
            )
            found = ended or found
        found = await add_parts_so_far(ports.chat, found, account_id=request.user.account_id)
        applied = None if seconds is None else {"Preference-Applied": f"wait={seconds}"}
        return Response(message_body(found), headers=applied)

    @post(
        "/messages/{message_id:uuid}/stop",
        status_code=200,
        operation_id="stopReply",
        summary="Stop a reply",
        responses=problems(400, 401, MessageNotFound(), NotAReply()),
    )
    async def stop(
        self,
        chatroom_id: RoomId,
        message_id: MessageId,
        request: AuthenticatedRequest,
        ports: Ports,
    ) -> MessageBody:
        """The reply keeps the text written so far. One that has ended does not change."""
        stopped = await stop_reply(
            ports.chat, account_id=request.user.account_id, room_id=chatroom_id, reply_id=message_id
        )
        return message_body(stopped)


def _accepted(accepted: Accepted, caller: Caller, ports: HttpPorts) -> Response[AcceptedBody]:
    reply, now = accepted.reply, ports.chat.now()
    address = f"{ports.public_url}/chatroom/{reply.room_id}/messages/{reply.id}"
    # A repeated request gets the ticket of the first answer while it is valid, so that both answers are equal.
    valid = now - reply.created_at < timedelta(seconds=TICKET_SECONDS)
    ticket = Ticket(caller.account_id, caller.session_id, reply.room_id, reply.id)
    token = ports.chat.tickets.issue(ticket, reply.created_at if valid else now)
    return Response(
        AcceptedBody(message_body(accepted.question), message_body(reply), f"{address}/stream?ticket={token}"),
        status_code=202,
        headers={
            "Location": address,
            **quota_headers(accepted.allowance, now),
            **({"Idempotent-Replayed": "true"} if accepted.replayed else {}),
        },
    )
