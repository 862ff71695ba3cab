"""HTTP endpoints for feedback on replies."""

from typing import Annotated, Literal

from litestar import Controller, delete, put
from litestar.params import JSONBody
from msgspec import Meta, Struct

from parley.adapters.http.auth import BEARER_OR_KEY, AuthenticatedRequest
from parley.adapters.http.chat.message_bodies import MessageBody, MessageId, RoomId, message_body
from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import STORABLE, described
from parley.adapters.http.openapi.operation import operation
from parley.adapters.http.ports import Ports
from parley.core.chat.errors import MessageNotFound, NotAReply
from parley.core.chat.feedback import COMMENT_CHARACTERS, give_feedback, take_feedback_back
from parley.core.chat.rating import Feedback, Rating
from parley.core.errors import InvalidInput


class NewFeedback(Struct, forbid_unknown_fields=True):
    """Whether the reply was good, and why."""

    rating: Annotated[Literal["up", "down"], described("Good or bad", "up")]
    comment: Annotated[
        Annotated[str, Meta(min_length=1, max_length=COMMENT_CHARACTERS)] | None,
        described("Why", "Short and right.", pattern=STORABLE),
    ] = None


class FeedbackController(Controller):
    path = "/chatroom/{chatroom_id:uuid}/messages/{message_id:uuid}/feedback"
    tags = ("Messages",)
    security = BEARER_OR_KEY

    @put(
        operation_id="giveFeedback",
        summary="Rate a reply",
        operation_class=operation(examples={"good": {"rating": "up", "comment": "Short and right."}}),
        responses=problems(
            InvalidInput("comment", "must have 1 to 2,000 characters"), 401, MessageNotFound(), NotAReply(), 413, 415
        ),
    )
    async def give(
        self,
        chatroom_id: RoomId,
        message_id: MessageId,
        data: JSONBody[NewFeedback],
        request: AuthenticatedRequest,
        ports: Ports,
    ) -> MessageBody:
        """In place of earlier feedback. It is yours: models are not sent it, and shared copies do not show it."""
        reply = await give_feedback(
            ports.chat,
            account_id=request.user.account_id,
            room_id=chatroom_id,
            message_id=message_id,
            feedback=Feedback(Rating(data.rating), data.comment),
        )
        return message_body(reply)

    @delete(
        operation_id="takeFeedbackBack",
        summary="Remove the rating of a reply",
        responses=problems(400, 401, MessageNotFound(), NotAReply()),
    )
    async def take_back(
        self, chatroom_id: RoomId, message_id: MessageId, request: AuthenticatedRequest, ports: Ports
    ) -> None:
        """Without a rating nothing changes."""
        await take_feedback_back(
            ports.chat, account_id=request.user.account_id, room_id=chatroom_id, message_id=message_id
        )
