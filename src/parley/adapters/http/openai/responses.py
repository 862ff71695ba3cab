"""The HTTP endpoint for OpenAI's responses."""

from functools import partial
from typing import Any

from litestar import Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from structlog.contextvars import bind_contextvars

from parley.adapters.http.auth import BEARER_OR_KEY, AuthenticatedRequest
from parley.adapters.http.chat.accepted import USED_UP
from parley.adapters.http.chat.plan_limits import MODEL_NOT_IN_PLAN
from parley.adapters.http.openai.chunks import Events
from parley.adapters.http.openai.completions import KEEP_ALIVE_SECONDS, answer_or_failure, ended, first_shown
from parley.adapters.http.openai.errors import SHOULD_RETRY, openai_errors
from parley.adapters.http.openai.response_bodies import RESPONSE_ID, ResponseBody, ResponseRequest
from parley.adapters.http.openai.response_events import StreamedResponse, whole_response
from parley.adapters.http.openai.response_prompt import read_input
from parley.adapters.http.openapi.fields import MODEL
from parley.adapters.http.openapi.operation import operation
from parley.adapters.http.ports import HttpPorts, ports_of
from parley.adapters.http.quota_headers import QUOTA_HEADERS, quota_headers
from parley.adapters.http.server.client_left import CancelWhenClientLeaves
from parley.adapters.http.streaming.frames import DOCUMENTED, MEDIA_TYPE, event_stream
from parley.adapters.http.streaming.permission import OVERLOADED_SECONDS, may_read, refuse_while_overloaded
from parley.core.chat.errors import PromptTooLong, QuotaExceeded, TooManyPending, UnknownModel
from parley.core.chat.model import Status
from parley.core.chat.prompts import AcceptedPrompt, answer_prompt
from parley.core.chat.reply_events import ReplyEnded
from parley.core.errors import InvalidInput, Overloaded

_QUESTION = {"model": MODEL, "input": "Where is it warm in May?", "store": False}
_STREAMED = f"""\
event: response.output_text.delta
data: {{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_{RESPONSE_ID[5:]}_0","output_index":0,\
"content_index":0,"delta":"You ","logprobs":[]}}

"""


def _also_as_stream(schema: dict[str, Any]) -> None:
    data = {"type": "string", "description": "JSON whose `type` names the event: see docs/openai.md"}
    event = {"type": "object", "properties": {"data": data}, "required": ["data"]}
    schema["responses"]["200"]["content"][MEDIA_TYPE] = {
        "schema": event,
        "examples": {"streamed": {"summary": "streamed", "value": _STREAMED}},
    }


@post(
    "/v1/responses",
    status_code=200,
    operation_id="createResponse",
    summary="Answer a conversation with a response",
    tags=("OpenAI",),
    security=BEARER_OR_KEY,
    middleware=[CancelWhenClientLeaves],
    operation_class=operation(
        examples={"whole": _QUESTION, "streamed": _QUESTION | {"stream": True}},
        headers={200: QUOTA_HEADERS | DOCUMENTED, 429: QUOTA_HEADERS | SHOULD_RETRY},
        edit=_also_as_stream,
    ),
    responses={
        200: ResponseSpec(ResponseBody, description="The response, or its events with `stream`"),
        **openai_errors(
            InvalidInput("tools", "is not supported here"),
            PromptTooLong(100_000, "input"),
            UnknownModel("none/such"),
            MODEL_NOT_IN_PLAN,
            413,
            415,
            QuotaExceeded(USED_UP),
            TooManyPending(20, USED_UP),
            Overloaded(OVERLOADED_SECONDS),
        ),
    },
)
async def create_response(data: JSONBody[ResponseRequest], request: AuthenticatedRequest) -> Response[Any]:
    """As OpenAI's own with `store: false`: the response is forgotten when its client has it or has left.

    A message is counted as for a chatroom, and returned if no answer comes. A stream that cannot go on ends with the
    event `error`.
    """
    ports, prompt = ports_of(request), read_input(data)
    if data.stream:
        refuse_while_overloaded(ports)
    caller = request.user
    events = answer_prompt(
        ports.chat,
        account_id=caller.account_id,
        prompt=prompt,
        model=data.model,
        keep_alive_seconds=KEEP_ALIVE_SECONDS,
        may_read=partial(may_read, ports, caller.session_id, caller.account_id),
        metered=not caller.unmetered,
    )
    try:
        return await _answered(data, events, ports)
    except PromptTooLong as refusal:
        raise PromptTooLong(refusal.limit, "input") from refusal
    except BaseException:
        await events.aclose()
        raise


async def _answered(data: ResponseRequest, events: Events, ports: HttpPorts) -> Response[Any]:
    accepted = await anext(events)
    if not isinstance(accepted, AcceptedPrompt):
        raise TypeError("the first event says that the prompt is accepted")
    bind_contextvars(reply_id=str(accepted.reply.id))
    headers = quota_headers(accepted.allowance, ports.chat.now())
    shape = partial(whole_response, data)
    if not data.stream:
        return answer_or_failure(await ended(events), headers, events, ports, shape, "input")
    first = await first_shown(events)
    if first is None or (isinstance(first, ReplyEnded) and first.message.status is not Status.COMPLETED):
        reply = first.message if first else None
        return answer_or_failure(reply, headers, events, ports, shape, "input")
    return event_stream(StreamedResponse(data, accepted.reply).frames(first, events), **headers)
