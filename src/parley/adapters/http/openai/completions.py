"""The HTTP endpoint for chat completions."""

from collections.abc import Callable
from functools import partial
from typing import Any

from litestar import Response, post
from litestar.background_tasks import BackgroundTask
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from structlog.contextvars import bind_contextvars

from parley.adapters.http.auth import BEARER_OR_KEY, AuthenticatedRequest
from parley.adapters.http.chat.accepted import USED_UP
from parley.adapters.http.chat.plan_limits import MODEL_NOT_IN_PLAN
from parley.adapters.http.errors import UNAVAILABLE_RETRY_SECONDS
from parley.adapters.http.openai.chunks import ChunkedAnswer, Events, whole_answer
from parley.adapters.http.openai.completion_bodies import Completion, CompletionRequest
from parley.adapters.http.openai.errors import SHOULD_RETRY, failure, openai_errors
from parley.adapters.http.openai.prompt import read_prompt
from parley.adapters.http.openapi.fields import MODEL
from parley.adapters.http.openapi.operation import operation
from parley.adapters.http.ports import HttpPorts, ports_of
from parley.adapters.http.quota_headers import QUOTA_HEADERS, quota_headers
from parley.adapters.http.server.client_left import CancelWhenClientLeaves
from parley.adapters.http.streaming.frames import DOCUMENTED, MEDIA_TYPE, event_stream
from parley.adapters.http.streaming.permission import OVERLOADED_SECONDS, may_read, refuse_while_overloaded
from parley.core.chat.errors import PromptTooLong, QuotaExceeded, TooManyPending, UnknownModel
from parley.core.chat.model import Message, Status
from parley.core.chat.prompts import AcceptedPrompt, answer_prompt
from parley.core.chat.reply_events import AttemptStarted, ReplyEnded, ReplyEvent, Snapshot
from parley.core.errors import InvalidInput, Overloaded

# Comments at least every 15 s are promised.
KEEP_ALIVE_SECONDS = 10.0
_STREAMED = """\
data: {"id":"chatcmpl-01a1fe305c007a318d526f0b1c9e4a05","object":"chat.completion.chunk","created":1795253400,\
"model":"offline/echo","choices":[{"index":0,"delta":{"content":"You "},"logprobs":null,"finish_reason":null}]}

data: [DONE]

"""
_QUESTION = [{"role": "user", "content": "Where is it warm in May?"}]


def _also_as_stream(schema: dict[str, Any]) -> None:
    data = {"type": "string", "description": "A chunk, an error, or [DONE]: see docs/openai.md"}
    event = {"type": "object", "properties": {"data": data}, "required": ["data"]}
    schema["responses"]["200"]["content"][MEDIA_TYPE] = {
        "schema": event,
        "examples": {"streamed": {"summary": "streamed", "value": _STREAMED}},
    }


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
        edit=_also_as_stream,
    ),
    responses={
        200: ResponseSpec(Completion, description="The answer, or its chunks as server-sent events with `stream`"),
        **openai_errors(
            InvalidInput("tools", "is not supported here"),
            PromptTooLong(100_000),
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
async def create_chat_completion(data: JSONBody[CompletionRequest], request: AuthenticatedRequest) -> Response[Any]:
    """As OpenAI's own, for its clients. Nothing is stored: the answer is forgotten when its client has it or has left.

    A message is counted as for a chatroom, and returned if no answer comes. A stream that cannot go on ends with a
    chunk that has `error`, and without `[DONE]`.
    """
    ports, prompt = ports_of(request), read_prompt(data)
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
    except BaseException:
        await events.aclose()
        raise


async def _answered(data: CompletionRequest, events: Events, ports: HttpPorts) -> Response[Any]:
    accepted = await anext(events)
    if not isinstance(accepted, AcceptedPrompt):
        raise TypeError("the first event says that the prompt is accepted")
    bind_contextvars(reply_id=str(accepted.reply.id))
    headers = quota_headers(accepted.allowance, ports.chat.now())
    if not data.stream:
        return answer_or_failure(await ended(events), headers, events, ports, whole_answer)
    first = await first_shown(events)
    if first is None:
        return answer_or_failure(None, headers, events, ports, whole_answer)
    if isinstance(first, ReplyEnded) and first.message.status is not Status.COMPLETED:
        return answer_or_failure(first.message, headers, events, ports, whole_answer)
    options = data.stream_options
    answer = ChunkedAnswer(accepted.reply, include_usage=bool(options and options.include_usage))
    return event_stream(answer.frames(first, events), **headers)


async def first_shown(events: Events) -> ReplyEvent | None:
    """The first event that a client should see, after at most KEEP_ALIVE_SECONDS; None if there is none.

    Until then the response has not begun, so that a failure has a status of its own, which clients act on.
    """
    async for event in events:
        if not isinstance(event, AcceptedPrompt | Snapshot | AttemptStarted):
            return event
    return None


async def ended(events: Events) -> Message | None:
    """The reply after its end; None if it has none for this client."""
    async for event in events:
        if isinstance(event, ReplyEnded):
            return event.message
    return None


def answer_or_failure(
    reply: Message | None,
    headers: dict[str, str],
    events: Events,
    ports: HttpPorts,
    shape: Callable[[Message], Any],
    prompt_field: str = "messages",
) -> Response[Any]:
    """The whole answer, or why there is none. The prompt is forgotten after the response."""
    forget = BackgroundTask(events.aclose)
    if reply is not None and reply.status is Status.COMPLETED:
        return Response(shape(reply), headers=headers, background=forget)
    status, body = failure(None if reply is None else reply.error, prompt_field)
    ports.meter.refused(body.error.code or "")
    # The message was returned.
    later = {"Retry-After": str(UNAVAILABLE_RETRY_SECONDS)} if status >= 500 else {}  # noqa: PLR2004
    return Response(body, status_code=status, headers=later, background=forget)
