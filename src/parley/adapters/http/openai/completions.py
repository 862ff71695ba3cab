"""The HTTP endpoint for chat completions."""

from typing import Any

from litestar import Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from parley.adapters.http.auth import BEARER_OR_KEY, AuthenticatedRequest
from parley.adapters.http.openai.answers import AnswerFormat, also_as_stream, answered, documented_refusals
from parley.adapters.http.openai.chunks import ChunkedAnswer, whole_answer
from parley.adapters.http.openai.completion_bodies import Completion, CompletionRequest
from parley.adapters.http.openai.errors import SHOULD_RETRY
from parley.adapters.http.openai.prompt import read_prompt
from parley.adapters.http.openapi.fields import MODEL
from parley.adapters.http.openapi.operation import operation
from parley.adapters.http.quota_headers import QUOTA_HEADERS
from parley.adapters.http.server.client_left import CancelWhenClientLeaves
from parley.adapters.http.streaming.frames import DOCUMENTED

_STREAMED = """\
data: {"id":"chatcmpl-01a1fe305c007a318d526f0b1c9e4a05","object":"chat.completion.chunk","created":1795253400,\
"model":"offline/echo","choices":[{"index":0,"delta":{"content":"You "},"logprobs":null,"finish_reason":null}]}

data: [DONE]

"""
_QUESTION = [{"role": "user", "content": "Where is it warm in May?"}]


@post(
    "/v1/chat/completions",
    status_code=200,
    operation_id="createChatCompletion",
    summary="Answer a conversation",
    tags=("OpenAI",),
    security=BEARER_OR_KEY,
    middleware=[CancelWhenClientLeaves],
    operation_class=operation(
        examples={
            "whole": {"model": MODEL, "messages": _QUESTION},
            "streamed": {"model": MODEL, "messages": _QUESTION, "stream": True},
        },
        headers={200: QUOTA_HEADERS | DOCUMENTED, 429: QUOTA_HEADERS | SHOULD_RETRY},
        edit=also_as_stream("A chunk, an error, or [DONE]: see docs/openai.md", _STREAMED),
    ),
    responses={
        200: ResponseSpec(Completion, description="The answer, or its chunks as server-sent events with `stream`"),
        **documented_refusals("messages"),
    },
)
async def create_chat_completion(data: JSONBody[CompletionRequest], request: AuthenticatedRequest) -> Response[Any]:
    """As OpenAI's own, for its clients. Nothing is stored: the answer is forgotten when its client has it or has left.

    A message is counted as for a chatroom, and returned if no answer comes. A stream that cannot go on ends with a
    chunk that has `error`, and without `[DONE]`.
    """
    options = data.stream_options
    include_usage = bool(options and options.include_usage)
    answer_format = AnswerFormat(
        "messages",
        whole_answer,
        lambda reply, first, events: ChunkedAnswer(reply, include_usage=include_usage).frames(first, events),
    )
    return await answered(request, read_prompt(data), answer_format, model=data.model, stream=bool(data.stream))
