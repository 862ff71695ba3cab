"""The HTTP endpoint for OpenAI's responses."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from litestar import Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from parley.adapters.http.auth import BEARER_OR_KEY, AuthenticatedRequest
from parley.adapters.http.openai.answers import AnswerFormat, also_as_stream, answered, documented_refusals
from parley.adapters.http.openai.errors import SHOULD_RETRY
from parley.adapters.http.openai.response_bodies import (
    RESPONSE_ID,
    ConversationReference,
    ResponseBody,
    ResponseRequest,
)
from parley.adapters.http.openai.response_events import StreamedResponse
from parley.adapters.http.openai.response_ids import ConversationNotFound, PreviousResponseNotFound, read_id
from parley.adapters.http.openai.response_items import Origin, whole_response
from parley.adapters.http.openai.response_prompt import Question, read_prompt, read_question, settings_of
from parley.adapters.http.openai.stored_answers import answer_stored
from parley.adapters.http.openapi.fields import MODEL
from parley.adapters.http.openapi.operation import operation
from parley.adapters.http.ports import ports_of
from parley.adapters.http.quota_headers import QUOTA_HEADERS
from parley.adapters.http.server.client_left import CancelWhenClientLeaves
from parley.adapters.http.streaming.frames import DOCUMENTED
from parley.adapters.http.streaming.permission import refuse_while_overloaded
from parley.core.chat.accepted import Accepted
from parley.core.chat.errors import ReplyNotFound, RoomNotFound, TooManyRooms
from parley.core.chat.reply_requests import request_reply
from parley.core.chat.reply_settings import ReplySettings
from parley.core.errors import InvalidInput
from parley.core.tasks import finish

_QUESTION = {"model": MODEL, "input": "Where is it warm in May?"}
STREAMED = f"""\
event: response.output_text.delta
data: {{"type":"response.output_text.delta","sequence_number":64,"item_id":"msg_{RESPONSE_ID[5:]}_0","output_index":0,\
"content_index":0,"delta":"You ","logprobs":[]}}

"""


@post(
    "/v1/responses",
    status_code=200,
    operation_id="createResponse",
    summary="Answer a conversation with a response",
    tags=("OpenAI",),
    security=BEARER_OR_KEY,
    middleware=[CancelWhenClientLeaves],
    operation_class=operation(
        examples={
            "whole": _QUESTION,
            "streamed": _QUESTION | {"stream": True},
            "in the background": _QUESTION | {"background": True},
            "not stored": _QUESTION | {"store": False},
        },
        headers={200: QUOTA_HEADERS | DOCUMENTED, 429: QUOTA_HEADERS | SHOULD_RETRY}
        | dict.fromkeys((400, 409, 503), SHOULD_RETRY),
        edit=also_as_stream("JSON whose `type` names the event: see docs/openai.md", STREAMED),
    ),
    responses={
        200: ResponseSpec(ResponseBody, description="The response, or its events with `stream`"),
        **documented_refusals("input", PreviousResponseNotFound(), TooManyRooms(1_000)),
    },
)
async def create_response(data: JSONBody[ResponseRequest], request: AuthenticatedRequest) -> Response[Any]:
    """As OpenAI's own: the response is stored, as a reply in a chatroom, and written even if the client leaves.

    With `store: false` it is forgotten when its client has it or has left. A message is counted as for a chatroom, and
    returned if no answer comes.
    """
    if data.store is False:
        prompt, origin = read_prompt(data), Origin(settings_of(data))
        answer_format = AnswerFormat(
            "input",
            lambda reply: whole_response(reply, origin),
            lambda reply, first, events: StreamedResponse(reply, origin).frames(first, events),
        )
        return await answered(request, prompt, answer_format, model=data.model, stream=bool(data.stream))
    if data.stream:
        refuse_while_overloaded(ports_of(request))
    question = read_question(data)
    # Each reader counts, and one too many is refused before anything is stored. A response in the background has none.
    needs_reader = data.stream or not question.settings.in_background
    taken = await ports_of(request).chat.readers.take(request.user.account_id) if needs_reader else ExitStack()
    try:
        # To its end even if the client leaves: what was accepted is written all the same.
        accepted, settings = await finish(_accept(data, question, request))
        return await answer_stored(request, accepted, settings, taken, stream=bool(data.stream))
    # The reader is that of the stream from here on.
    except BaseException:
        taken.close()
        raise


async def _accept(
    data: ResponseRequest, question: Question, request: AuthenticatedRequest
) -> tuple[Accepted, ReplySettings]:
    """Raises what `request_reply` raises, about fields of this protocol."""
    chat, account_id = ports_of(request).chat, request.user.account_id
    previous = data.previous_response_id
    given = data.conversation.id if isinstance(data.conversation, ConversationReference) else data.conversation
    after = None if previous is None else read_id(previous, "resp")
    room_id = None if given is None else read_id(given, "conv")
    if previous is not None and after is None:
        raise PreviousResponseNotFound
    if given is not None and room_id is None:
        raise ConversationNotFound
    is_new = previous is None and given is None
    settings = replace(question.settings if is_new else question.settings_with_instructions, after=after)
    try:
        accepted = await request_reply(
            chat,
            account_id=account_id,
            content=question.content,
            model=data.model,
            settings=settings,
            room_id=room_id,
            room_instructions=question.instructions if is_new else None,
            before=question.before,
        )
    except ReplyNotFound as error:
        raise PreviousResponseNotFound from error
    except RoomNotFound as error:
        raise (ConversationNotFound if given else PreviousResponseNotFound) from error
    except InvalidInput as error:
        if error.field.startswith(("content", "before")):
            raise InvalidInput("input", error.message) from error
        raise
    return accepted, settings
