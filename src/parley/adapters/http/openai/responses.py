"""The HTTP endpoint for OpenAI's responses."""

from functools import partial
from typing import Any

from litestar import Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from parley.adapters.http.auth import BEARER_OR_KEY, AuthenticatedRequest
from parley.adapters.http.openai.answers import AnswerFormat, also_as_stream, answered, documented_refusals
from parley.adapters.http.openai.errors import SHOULD_RETRY
from parley.adapters.http.openai.response_bodies import RESPONSE_ID, ResponseBody, ResponseRequest
from parley.adapters.http.openai.response_events import StreamedResponse, whole_response
from parley.adapters.http.openai.response_prompt import read_input
from parley.adapters.http.openapi.fields import MODEL
from parley.adapters.http.openapi.operation import operation
from parley.adapters.http.quota_headers import QUOTA_HEADERS
from parley.adapters.http.server.client_left import CancelWhenClientLeaves
from parley.adapters.http.streaming.frames import DOCUMENTED

_QUESTION = {"model": MODEL, "input": "Where is it warm in May?", "store": False}
_STREAMED = f"""\
event: response.output_text.delta
data: {{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_{RESPONSE_ID[5:]}_0","output_index":0,\
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
        examples={"whole": _QUESTION, "streamed": _QUESTION | {"stream": True}},
        headers={200: QUOTA_HEADERS | DOCUMENTED, 429: QUOTA_HEADERS | SHOULD_RETRY},
        edit=also_as_stream("JSON whose `type` names the event: see docs/openai.md", _STREAMED),
    ),
    responses={
        200: ResponseSpec(ResponseBody, description="The response, or its events with `stream`"),
        **documented_refusals("input"),
    },
)
async def create_response(data: JSONBody[ResponseRequest], request: AuthenticatedRequest) -> Response[Any]:
    """As OpenAI's own with `store: false`: the response is forgotten when its client has it or has left.

    A message is counted as for a chatroom, and returned if no answer comes. A stream that cannot go on ends with the
    event `error`.
    """
    answer_format = AnswerFormat(
        "input",
        partial(whole_response, data),
        lambda reply, first, events: StreamedResponse(data, reply).frames(first, events),
    )
    return await answered(request, read_input(data), answer_format, model=data.model, stream=bool(data.stream))
