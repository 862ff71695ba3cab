"""What the endpoints of OpenAI's protocol that answer a conversation have in common."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from litestar import Response
from litestar.background_tasks import BackgroundTask
from litestar.openapi.datastructures import ResponseSpec
from structlog.contextvars import bind_contextvars

from parley.adapters.http.auth import AuthenticatedRequest
from parley.adapters.http.chat.accepted import USED_UP
from parley.adapters.http.chat.plan_limits import MODEL_NOT_IN_PLAN
from parley.adapters.http.errors import UNAVAILABLE_RETRY_SECONDS
from parley.adapters.http.openai.chunks import Events
from parley.adapters.http.openai.errors import failure, openai_errors
from parley.adapters.http.ports import HttpPorts, ports_of
from parley.adapters.http.quota_headers import quota_headers
from parley.adapters.http.streaming.following import KEEP_ALIVE_SECONDS
from parley.adapters.http.streaming.frames import MEDIA_TYPE, event_stream
from parley.adapters.http.streaming.permission import OVERLOADED_SECONDS, may_read, refuse_while_overloaded
from parley.core.chat.errors import PromptTooLong, QuotaExceeded, TooManyPending, UnknownModel
from parley.core.chat.model import Conversation, Message, ReplyError, Status
from parley.core.chat.prompts import AcceptedPrompt, answer_prompt
from parley.core.chat.reply_events import AttemptStarted, ReplyEnded, ReplyEvent, Snapshot
from parley.core.errors import DomainError, InvalidInput, Overloaded


@dataclass(frozen=True)
class AnswerFormat:
    """How an endpoint writes an answer.

    `prompt_field` is the field of the request that an error about the prompt names. `frames` makes the stream of the
    accepted reply from its first event that a client should see and the events after it.
    """

    prompt_field: str
    whole: Callable[[Message], Any]
    frames: Callable[[Message, ReplyEvent, Events], AsyncGenerator[bytes, None]]


def also_as_stream(data: str, example: str) -> Callable[[dict[str, Any]], None]:
    """Documents that an operation's answer may be a stream, of which `data` describes an event's data."""

    def edit(schema: dict[str, Any]) -> None:
        described = {"type": "string", "description": data}
        schema["responses"]["200"]["content"][MEDIA_TYPE] = {
            "schema": {"type": "object", "properties": {"data": described}, "required": ["data"]},
            "examples": {"streamed": {"summary": "streamed", "value": example}},
        }

    return edit


def documented_refusals(prompt_field: str, *others: DomainError) -> dict[int, ResponseSpec]:
    return openai_errors(
        *others,
        InvalidInput("tools", "is not supported here"),
        PromptTooLong(100_000, prompt_field),
        UnknownModel("none/such"),
        MODEL_NOT_IN_PLAN,
        413,
        415,
        QuotaExceeded(USED_UP),
        TooManyPending(20, USED_UP),
        Overloaded(OVERLOADED_SECONDS),
    )


async def answered(
    request: AuthenticatedRequest, prompt: Conversation, answer_format: AnswerFormat, *, model: str, stream: bool
) -> Response[Any]:
    """The model's answer to the prompt, whole or as a stream. Raises what `answer_prompt` raises, and Overloaded."""
    ports, caller = ports_of(request), request.user
    if stream:
        refuse_while_overloaded(ports)
    events = answer_prompt(
        ports.chat,
        account_id=caller.account_id,
        prompt=prompt,
        model=model,
        keep_alive_seconds=KEEP_ALIVE_SECONDS,
        may_read=partial(may_read, ports, caller.session_id, caller.account_id),
        metered=not caller.unmetered,
    )
    try:
        return await _response(ports, events, answer_format, stream=stream)
    except PromptTooLong as refusal:
        raise PromptTooLong(refusal.limit, answer_format.prompt_field) from refusal
    except InvalidInput as refusal:
        if refusal.field != "messages":
            raise
        raise InvalidInput(answer_format.prompt_field, refusal.message) from refusal
    # Also of a cancelled request: its prompt is forgotten.
    except BaseException:
        await events.aclose()
        raise


async def _response(ports: HttpPorts, events: Events, answer_format: AnswerFormat, *, stream: bool) -> Response[Any]:
    accepted = await anext(events)
    if not isinstance(accepted, AcceptedPrompt):
        raise TypeError("the first event says that the prompt is accepted")
    bind_contextvars(reply_id=str(accepted.reply.id))
    headers = quota_headers(accepted.allowance, ports.chat.now())
    if not stream:
        return _answer_or_failure(await _ended(events), headers, events, ports, answer_format)
    first = await _first_shown(events)
    if first is None or (isinstance(first, ReplyEnded) and first.message.status is not Status.COMPLETED):
        return _answer_or_failure(first.message if first else None, headers, events, ports, answer_format)
    return event_stream(answer_format.frames(accepted.reply, first, events), **headers)


async def _first_shown(events: Events) -> ReplyEvent | None:
    """The first event that a client should see, after at most KEEP_ALIVE_SECONDS; None if there is none.

    Until then the response has not begun, so that a failure has a status of its own, which clients act on.
    """
    async for event in events:
        if not isinstance(event, AcceptedPrompt | Snapshot | AttemptStarted):
            return event
    return None


async def _ended(events: Events) -> Message | None:
    """The reply after its end; None if it has none for this client."""
    async for event in events:
        if isinstance(event, ReplyEnded):
            return event.message
    return None


def _answer_or_failure(
    reply: Message | None,
    headers: dict[str, str],
    events: Events,
    ports: HttpPorts,
    answer_format: AnswerFormat,
) -> Response[Any]:
    """The whole answer, or why there is none. The prompt is forgotten after the response."""
    forget = BackgroundTask(events.aclose)
    if reply is not None and reply.status is Status.COMPLETED:
        return Response(answer_format.whole(reply), headers=headers, background=forget)
    return refused_answer(ports, None if reply is None else reply.error, answer_format.prompt_field, forget)


def refused_answer(
    ports: HttpPorts, error: ReplyError | None, prompt_field: str, background: BackgroundTask | None = None
) -> Response[Any]:
    """Why there is no answer, with a status that clients act on."""
    status, body = failure(error, prompt_field)
    ports.meter.refused(body.error.code or "")
    # The message was returned.
    later = {"Retry-After": str(UNAVAILABLE_RETRY_SECONDS)} if status >= 500 else {}  # noqa: PLR2004
    return Response(body, status_code=status, headers=later, background=background)
