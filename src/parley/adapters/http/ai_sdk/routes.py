"""The HTTP endpoints that npm's `ai` calls: a message, a reply's stream again, and a stop."""

from contextlib import ExitStack
from functools import partial
from typing import Annotated, Any

from litestar import Controller, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Struct
from structlog.contextvars import bind_contextvars

from parley.adapters.http.ai_sdk.bodies import ChatRequest, text_of
from parley.adapters.http.ai_sdk.chat_ids import DecodedChatId
from parley.adapters.http.ai_sdk.errors import sentences
from parley.adapters.http.ai_sdk.frames import RESETS_SINCE, UIMessageStream
from parley.adapters.http.auth import BEARER_OR_KEY, AuthenticatedRequest
from parley.adapters.http.chat.accepted import USED_UP
from parley.adapters.http.openapi.fields import REPLY_ID, described, example
from parley.adapters.http.openapi.operation import header, operation
from parley.adapters.http.ports import HttpPorts, Ports
from parley.adapters.http.quota_headers import QUOTA_HEADERS, quota_headers
from parley.adapters.http.server.broken import BreaksOff
from parley.adapters.http.streaming.following import follow
from parley.adapters.http.streaming.frames import DOCUMENTED, MEDIA_TYPE, event_stream
from parley.adapters.http.streaming.permission import OVERLOADED_SECONDS, refuse_while_overloaded
from parley.core.chat.accepted import Accepted
from parley.core.chat.client_ids import CLIENT_ID_CHARACTERS
from parley.core.chat.client_messages import ClientMessage, find_reply, read_client_room
from parley.core.chat.errors import (
    MessageNotFound,
    NotAReply,
    QuotaExceeded,
    RoomNotFound,
    TooManyPending,
    TooManyRooms,
    UnknownModel,
)
from parley.core.chat.history import read_message
from parley.core.chat.messages import post_client_message, regenerate_reply
from parley.core.chat.model import Message, Role, Room
from parley.core.chat.stop_reply import stop_reply
from parley.core.errors import InvalidInput, Overloaded

PROTOCOL = "x-vercel-ai-ui-message-stream"
_OWN_HEADERS = {PROTOCOL: header("The version of the protocol", "v1", "v1")}
_CHAT = {
    "id": "nG8q2Lw0sVxY4kTe",
    "messages": [
        {"id": "V1StGXR8Z5jdHi6B", "role": "user", "parts": [{"type": "text", "text": "Where is it warm in May?"}]}
    ],
}
_FRAMES = f"""\
data: {{"type":"start","messageId":"{REPLY_ID}"}}

data: {{"type":"start-step"}}

data: {{"type":"text-start","id":"1"}}

data: {{"type":"text-delta","id":"1","delta":"You said: "}}

data: {{"type":"text-delta","id":"1","delta":"Where is it warm in May?"}}

data: {{"type":"text-end","id":"1"}}

data: {{"type":"finish-step"}}

data: {{"type":"finish","finishReason":"stop"}}

data: [DONE]
"""


class UIFrame(Struct):
    """A frame of a UI message stream."""

    data: Annotated[
        str,
        described(
            "JSON whose `type` names the frame, or [DONE]: see docs/ai-sdk.md",
            '{"type":"text-delta","id":"1","delta":"You said: "}',
        ),
    ]


_STREAM = ResponseSpec(
    UIFrame,
    generate_examples=False,
    media_type=MEDIA_TYPE,
    description="The reply as a UI message stream",
    examples=[Example(summary="a reply", value=_FRAMES)],
)
ChatId = Annotated[
    str,
    PathParameter(max_length=CLIENT_ID_CHARACTERS, description="The chat's id", examples=example("nG8q2Lw0sVxY4kTe")),
]
Version = Annotated[
    int,
    QueryParameter(
        name="v",
        ge=5,
        le=99,
        description="The major version of npm's `ai`. Before 7 a later attempt breaks the connection off",
        examples=example(7),
    ),
]


class AiSdkController(Controller):
    path = "/api/chat"
    tags = ("AI SDK",)
    security = BEARER_OR_KEY
    middleware = (BreaksOff, DecodedChatId)

    @post(
        status_code=200,
        operation_id="sendUIMessage",
        summary="Send a message from useChat",
        operation_class=operation(
            examples={"a message": _CHAT},
            headers={200: QUOTA_HEADERS | DOCUMENTED | _OWN_HEADERS, 429: QUOTA_HEADERS},
        ),
        responses={
            200: _STREAM,
            **sentences(
                InvalidInput("messages", "the last one must be the user's"),
                UnknownModel("none/such"),
                RoomNotFound(),
                MessageNotFound(),
                TooManyRooms(1_000),
                413,
                415,
                QuotaExceeded(USED_UP),
                TooManyPending(20, USED_UP),
                Overloaded(OVERLOADED_SECONDS),
            ),
        },
    )
    async def send(
        self,
        data: JSONBody[ChatRequest],
        request: AuthenticatedRequest,
        ports: Ports,
        version: Version = RESETS_SINCE,
    ) -> Response[Any]:
        """For `useChat`: streams the reply, which is written to its end even if the client leaves.

        The chat is a chatroom, made by its first message. The same message again is the same one; with another text it
        is an edit. Of the conversation only the last message is read: the server has the others.
        """
        refuse_while_overloaded(ports)
        # One reader too many is refused before anything is stored.
        taken = await ports.chat.readers.take(request.user.account_id)
        try:
            accepted = await _accept(data, request, ports)
            bind_contextvars(reply_id=str(accepted.reply.id))
            headers = quota_headers(accepted.allowance, ports.chat.now())
            return await _streamed(accepted.reply, request, ports, version, headers, taken)
        # The reader is that of the stream from here on.
        except BaseException:
            taken.close()
            raise

    @get(
        "/{chat:str}/stream",
        operation_id="resumeUIMessage",
        summary="Stream a running reply again",
        operation_class=operation(headers={200: DOCUMENTED | _OWN_HEADERS}),
        responses={
            200: _STREAM,
            204: ResponseSpec(None, description="No reply is being written, or the chat is not known yet"),
            **sentences(400, MessageNotFound(), Overloaded(OVERLOADED_SECONDS)),
        },
    )
    async def resume(
        self,
        chat: ChatId,
        request: AuthenticatedRequest,
        ports: Ports,
        replay: Annotated[
            str | None,
            QueryParameter(
                pattern="^last$",
                description="`last`: the last reply, whatever its state",
                examples=example("last"),
            ),
        ] = None,
        version: Version = RESETS_SINCE,
    ) -> Response[Any]:
        """Replays the reply that is being written, from its beginning and under its own id."""
        refuse_while_overloaded(ports)
        reply = await _last_reply(chat, request, ports)
        if reply is None or (reply.status.ended and replay is None):
            return Response(None, status_code=204)
        bind_contextvars(reply_id=str(reply.id))
        return await _streamed(reply, request, ports, version, {})

    @post(
        "/{chat:str}/stop",
        status_code=204,
        operation_id="stopUIMessage",
        summary="Stop the running reply of a chat",
        responses=sentences(400, MessageNotFound()),
    )
    async def stop(self, chat: ChatId, request: AuthenticatedRequest, ports: Ports) -> None:
        """Its text so far stays. Does nothing if no reply is being written, or the chat is not known yet."""
        reply = await _last_reply(chat, request, ports)
        if reply is not None and not reply.status.ended:
            await stop_reply(ports.chat, account_id=request.user.account_id, room_id=reply.room_id, reply_id=reply.id)


async def _accept(data: ChatRequest, request: AuthenticatedRequest, ports: HttpPorts) -> Accepted:
    account_id = request.user.account_id
    if data.trigger == "regenerate-message":
        reply = await find_reply(
            ports.chat,
            account_id=account_id,
            chat_id=data.id,
            message_id=data.message_id,
            last_question=data.last_question,
        )
        return await regenerate_reply(
            ports.chat, account_id=account_id, room_id=reply.room_id, reply_id=reply.id, model=data.model, key=None
        )
    question = data.question
    message_id = question.id or data.message_id
    if message_id is None:
        raise InvalidInput("messages", "the last one must have an id")
    return await post_client_message(
        ports.chat,
        account_id=account_id,
        client=ClientMessage(data.id, message_id),
        content=text_of(question),
        model=data.model,
        last_reply=data.last_reply,
    )


async def _last_reply(chat_id: str, request: AuthenticatedRequest, ports: HttpPorts) -> Message | None:
    """The head of the chat. None for a chat without messages, and for one that is not known yet."""
    room: Room | None = await read_client_room(ports.chat, account_id=request.user.account_id, chat_id=chat_id)
    if room is None or room.head is None:
        return None
    head = await read_message(ports.chat, account_id=room.account_id, room_id=room.id, message_id=room.head)
    if head.role is not Role.ASSISTANT:
        raise NotAReply
    return head


async def _streamed(
    reply: Message,
    request: AuthenticatedRequest,
    ports: HttpPorts,
    version: int,
    headers: dict[str, str],
    taken: ExitStack | None = None,
) -> Response[Any]:
    caller = request.user
    events = follow(request, reply, taken)
    # A refusal comes before the headers.
    await anext(events)
    check_access = partial(ports.accounts.revocations.check_known, caller.session_id, caller.account_id)
    frames = UIMessageStream(str(reply.id), version=version).frames(events, check_access)
    return event_stream(frames, **{PROTOCOL: "v1"}, **headers)
