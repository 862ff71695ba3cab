"""HTTP endpoints for messages."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.params import HeaderParameter, JSONBody, QueryParameter
from msgspec import UnsetType

from parley.adapters.http.auth import BEARER_OR_KEY, AuthenticatedRequest
from parley.adapters.http.chat.accepted import DOCUMENTED, USED_UP, IdempotencyKeyHeader, accepted_response
from parley.adapters.http.chat.message_bodies import (
    AcceptedBody,
    MessageBody,
    MessageId,
    MessagePageBody,
    NewMessage,
    RoomId,
    message_body,
)
from parley.adapters.http.chat.plan_limits import ROOM_MODEL_NOT_IN_PLAN
from parley.adapters.http.chat.prefer import wait_seconds
from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import REPLY_ID, example
from parley.adapters.http.openapi.operation import header, operation
from parley.adapters.http.pagination import Limit, MessageCursor, position_cursor, read_position_cursor
from parley.adapters.http.ports import Ports, ports_of
from parley.core.chat.errors import (
    IdempotencyMismatch,
    MessageNotFound,
    NotAReply,
    ParentInvalid,
    QuotaExceeded,
    RoomNotFound,
    TooManyPending,
    UnknownModel,
)
from parley.core.chat.follow_reply import wait_for_end
from parley.core.chat.history import add_parts_so_far, read_all_messages, read_branch, read_message
from parley.core.chat.messages import post_message
from parley.core.chat.model import Role
from parley.core.chat.stop_reply import stop_reply
from parley.core.chat.tree import Head
from parley.core.errors import InvalidInput

_APPLIED = {"Preference-Applied": header("The applied preference", "wait=10", "wait=[0-9]+", always=False)}


class MessageController(Controller):
    path = "/chatroom/{chatroom_id:uuid}"
    tags = ("Messages",)
    security = BEARER_OR_KEY

    @post(
        "/message",
        status_code=202,
        operation_id="postMessage",
        summary="Send a message",
        operation_class=operation(
            examples={
                "text": {"content": "Where is it warm in May?"},
                "from a reply": {"content": "And in June?", "parent_id": REPLY_ID},
            },
            **DOCUMENTED,
        ),
        responses=problems(
            InvalidInput("content", "must have 1 to 32,000 characters"),
            UnknownModel("none/such"),
            ROOM_MODEL_NOT_IN_PLAN,
            ParentInvalid(),
            401,
            RoomNotFound(),
            MessageNotFound(),
            413,
            415,
            IdempotencyMismatch(),
            QuotaExceeded(USED_UP),
            TooManyPending(20, USED_UP),
        ),
    )
    async def say(
        self,
        chatroom_id: RoomId,
        data: JSONBody[NewMessage],
        request: AuthenticatedRequest,
        idempotency_key: IdempotencyKeyHeader = None,
    ) -> Response[AcceptedBody]:
        """202 is a promise: the reply ends as completed, as stopped, or as failed with its quota returned."""
        ports = ports_of(request)
        accepted = await post_message(
            ports.chat,
            account_id=request.user.account_id,
            room_id=chatroom_id,
            content=data.content,
            model=data.model,
            key=idempotency_key,
            parent=Head.SHOWN if isinstance(data.parent_id, UnsetType) else data.parent_id,
        )
        return accepted_response(accepted, request.user, ports)

    @get(
        "/messages",
        operation_id="listMessages",
        summary="List the messages",
        responses=problems(400, 401, RoomNotFound(), MessageNotFound()),
    )
    async def read_all(
        self,
        chatroom_id: RoomId,
        request: AuthenticatedRequest,
        limit: Limit = 50,
        cursor: MessageCursor = None,
        head: Annotated[
            UUID | None,
            QueryParameter(description="Any message of the branch to list", examples=example(REPLY_ID)),
        ] = None,
        all_branches: Annotated[
            bool,
            QueryParameter(
                name="all", description="List the messages of all branches, by time", examples=example(value=True)
            ),
        ] = False,
    ) -> MessagePageBody:
        """The newest page first, each page oldest first.

        It is the branch that is shown, or the one that runs through `head`, down to its newest message. A cursor keeps
        to the branch that it began with.
        """
        room: dict[str, Any] = {"account_id": request.user.account_id, "room_id": chatroom_id, "limit": limit}
        before = read_position_cursor(cursor)
        chat = ports_of(request).chat
        page = (
            await read_all_messages(chat, before=before, **room)
            if all_branches
            else await read_branch(chat, before=before, through=head, **room)
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
