"""The HTTP endpoints for responses that are stored."""

from typing import Annotated, Any

from litestar import Controller, Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter

from parley.adapters.http.auth import BEARER_OR_KEY, AuthenticatedRequest
from parley.adapters.http.openai.answers import also_as_stream
from parley.adapters.http.openai.errors import openai_errors
from parley.adapters.http.openai.item_pages import After, Branch, Limit, Order, read_items
from parley.adapters.http.openai.response_bodies import RESPONSE_ID, DeletedResponse, ItemList, ResponseBody
from parley.adapters.http.openai.response_ids import ResponseNotFound, read_id
from parley.adapters.http.openai.response_items import Origin, input_items, whole_response
from parley.adapters.http.openai.response_numbers import LARGEST_NUMBER
from parley.adapters.http.openai.responses import STREAMED
from parley.adapters.http.openai.stored_answers import stream_stored
from parley.adapters.http.openapi.fields import example
from parley.adapters.http.openapi.operation import operation
from parley.adapters.http.ports import HttpPorts, Ports
from parley.adapters.http.streaming.frames import DOCUMENTED
from parley.adapters.http.streaming.permission import OVERLOADED_SECONDS, refuse_while_overloaded
from parley.core.chat.errors import MessageNotFound, ReplyNotFound, RoomNotFound
from parley.core.chat.model import Message
from parley.core.chat.reply_requests import RequestedReply, forget_reply, read_requested
from parley.core.chat.stop_reply import stop_reply
from parley.core.errors import Overloaded

_NOT_FOUND = ResponseNotFound()
ResponseId = Annotated[str, PathParameter(max_length=100, description="The response", examples=example(RESPONSE_ID))]


class StoredResponseController(Controller):
    path = "/v1/responses/{response_id:str}"
    tags = ("OpenAI",)
    security = BEARER_OR_KEY

    @get(
        operation_id="retrieveResponse",
        summary="Read a response",
        operation_class=operation(
            headers={200: DOCUMENTED},
            edit=also_as_stream("JSON whose `type` names the event: see docs/openai.md", STREAMED),
        ),
        responses={
            200: ResponseSpec(ResponseBody, description="The response, or its events with `stream`"),
            **openai_errors(400, _NOT_FOUND, Overloaded(OVERLOADED_SECONDS)),
        },
    )
    async def retrieve(
        self,
        response_id: ResponseId,
        request: AuthenticatedRequest,
        ports: Ports,
        stream: Annotated[
            bool, QueryParameter(description="Whether to send its events", examples=example(True))
        ] = False,
        starting_after: Annotated[
            int | None,
            QueryParameter(
                ge=0,
                le=LARGEST_NUMBER,
                # Litestar leaves a limit of 0 out.
                schema_extra={"minimum": 0},
                description="With `stream`: the `sequence_number` of the last event that is there",
                examples=example(64),
            ),
        ] = None,
    ) -> Response[Any]:
        """Of one that is being written, its text so far. Every reply in a chatroom of the account is a response."""
        if stream:
            refuse_while_overloaded(ports)
        found = await _found(response_id, request, ports)
        if not stream:
            return Response(_body(found.reply, found))
        return await stream_stored(request, found.reply, _origin(found), after=starting_after, headers={})

    @delete(
        status_code=200,
        operation_id="deleteResponse",
        summary="Forget a response",
        responses=openai_errors(400, _NOT_FOUND),
    )
    async def delete(self, response_id: ResponseId, request: AuthenticatedRequest, ports: Ports) -> DeletedResponse:
        """It is not found by its id any more. Its chatroom stays, with its messages: DELETE /chatroom removes those."""
        found = await _found(response_id, request, ports)
        try:
            await forget_reply(ports.chat, account_id=request.user.account_id, reply_id=found.reply.id)
        except ReplyNotFound as error:
            raise ResponseNotFound from error
        return DeletedResponse(response_id)

    @post(
        "/cancel",
        status_code=200,
        operation_id="cancelResponse",
        summary="Cancel a response",
        responses=openai_errors(400, _NOT_FOUND),
    )
    async def cancel(self, response_id: ResponseId, request: AuthenticatedRequest, ports: Ports) -> ResponseBody:
        """Its text so far stays. One that has ended is returned as it is. It need not be in the background."""
        found = await _found(response_id, request, ports)
        try:
            stopped = await stop_reply(
                ports.chat,
                account_id=request.user.account_id,
                room_id=found.reply.room_id,
                reply_id=found.reply.id,
            )
        except MessageNotFound as error:
            raise ResponseNotFound from error
        return _body(stopped, found)

    @get(
        "/input_items",
        operation_id="listInputItems",
        summary="List what a response answers",
        responses=openai_errors(400, _NOT_FOUND),
    )
    async def input_items(
        self,
        response_id: ResponseId,
        request: AuthenticatedRequest,
        ports: Ports,
        after: After = None,
        limit: Limit = 20,
        order: Order = "desc",
    ) -> ItemList:
        """Its message and those before it in its conversation, as far as they are text."""
        found = await _found(response_id, request, ports)
        question = found.question
        branch = Branch(request.user.account_id, question.room_id, input_items, last=question.position)
        try:
            return await read_items(ports.chat, branch, after=after, limit=limit, order=order)
        except RoomNotFound as error:
            raise ResponseNotFound from error


async def _found(response_id: str, request: AuthenticatedRequest, ports: HttpPorts) -> RequestedReply:
    """Raises ResponseNotFound."""
    reply_id = read_id(response_id, "resp")
    if reply_id is None:
        raise ResponseNotFound
    try:
        return await read_requested(ports.chat, account_id=request.user.account_id, reply_id=reply_id)
    except ReplyNotFound as error:
        raise ResponseNotFound from error


def _origin(found: RequestedReply) -> Origin:
    return Origin(found.settings, stored=True)


def _body(reply: Message, found: RequestedReply) -> ResponseBody:
    return whole_response(reply, _origin(found))
