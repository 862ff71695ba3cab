"""HTTP endpoints for the branches of a conversation: other versions of messages, other replies, and what is shown."""

from litestar import Controller, Response, post, put
from litestar.params import JSONBody

from parley.adapters.http.auth import BEARER_OR_KEY, AuthenticatedRequest
from parley.adapters.http.chat.accepted import DOCUMENTED, USED_UP, IdempotencyKeyHeader, accepted_response
from parley.adapters.http.chat.message_bodies import (
    AcceptedBody,
    EditedMessage,
    MessageId,
    NewHead,
    Regeneration,
    RoomId,
)
from parley.adapters.http.chat.plan_limits import ROOM_MODEL_NOT_IN_PLAN
from parley.adapters.http.chat.room_bodies import RoomBody, room_body
from parley.adapters.http.errors import problems, refuse_null
from parley.adapters.http.openapi.fields import MESSAGE_ID
from parley.adapters.http.openapi.operation import operation
from parley.adapters.http.ports import Ports
from parley.core.chat.errors import (
    IdempotencyMismatch,
    MessageNotFound,
    NotAReply,
    NotAUserMessage,
    QuotaExceeded,
    RoomNotFound,
    TooManyPending,
    UnknownModel,
)
from parley.core.chat.messages import edit_message, regenerate_reply
from parley.core.chat.rooms import show_branch
from parley.core.errors import InvalidInput

_REFUSALS = (
    UnknownModel("none/such"),
    ROOM_MODEL_NOT_IN_PLAN,
    401,
    RoomNotFound(),
    MessageNotFound(),
    413,
    415,
    IdempotencyMismatch(),
    QuotaExceeded(USED_UP),
    TooManyPending(20, USED_UP),
)


class BranchController(Controller):
    path = "/chatroom/{chatroom_id:uuid}"
    tags = ("Messages",)
    security = BEARER_OR_KEY

    @post(
        "/messages/{message_id:uuid}/edit",
        status_code=202,
        operation_id="editMessage",
        summary="Edit a message",
        operation_class=operation(examples={"text": {"content": "Where is it warm in June?"}}, **DOCUMENTED),
        responses=problems(InvalidInput("content", "must have 1 to 32,000 characters"), NotAUserMessage(), *_REFUSALS),
    )
    async def edit(
        self,
        chatroom_id: RoomId,
        message_id: MessageId,
        data: JSONBody[EditedMessage],
        request: AuthenticatedRequest,
        ports: Ports,
        idempotency_key: IdempotencyKeyHeader = None,
    ) -> Response[AcceptedBody]:
        """The new version is a sibling of the message, with a reply of its own; the message itself does not change.

        It begins a branch, which is shown from now on, and counts like a message.
        """
        accepted = await edit_message(
            ports.chat,
            account_id=request.user.account_id,
            room_id=chatroom_id,
            message_id=message_id,
            content=data.content,
            model=data.model,
            key=idempotency_key,
        )
        return accepted_response(accepted, request.user, ports)

    @post(
        "/messages/{message_id:uuid}/regenerate",
        status_code=202,
        operation_id="regenerateReply",
        summary="Ask for another reply",
        operation_class=operation(examples={"another model": {"model": "offline/echo"}}, **DOCUMENTED),
        responses=problems(400, NotAReply(), *_REFUSALS),
    )
    async def regenerate(
        self,
        chatroom_id: RoomId,
        message_id: MessageId,
        request: AuthenticatedRequest,
        ports: Ports,
        data: JSONBody[Regeneration | None] = None,
        idempotency_key: IdempotencyKeyHeader = None,
    ) -> Response[AcceptedBody]:
        """Another reply to the same message, a sibling of this one, which does not change and may still be generating.

        It begins a branch, which is shown from now on, and counts like a message.
        """
        await refuse_null(request, data)
        accepted = await regenerate_reply(
            ports.chat,
            account_id=request.user.account_id,
            room_id=chatroom_id,
            reply_id=message_id,
            model=None if data is None else data.model,
            key=idempotency_key,
        )
        return accepted_response(accepted, request.user, ports)

    @put(
        "/head",
        operation_id="showBranch",
        summary="Show another branch",
        operation_class=operation(examples={"a message": {"message_id": MESSAGE_ID}}),
        responses=problems(400, 401, RoomNotFound(), MessageNotFound(), 413, 415),
    )
    async def show(
        self, chatroom_id: RoomId, data: JSONBody[NewHead], request: AuthenticatedRequest, ports: Ports
    ) -> RoomBody:
        """Shows the branch that runs through the message, down to its newest message, until a message is sent."""
        room = await show_branch(
            ports.chat, account_id=request.user.account_id, room_id=chatroom_id, message_id=data.message_id
        )
        return room_body(room)
