"""Answers with a stored response: whole, at once for one in the background, or as a stream."""

from contextlib import ExitStack, aclosing
from typing import Any

from litestar import Response
from structlog.contextvars import bind_contextvars

from parley.adapters.http.auth import AuthenticatedRequest
from parley.adapters.http.openai.answers import refused_answer
from parley.adapters.http.openai.errors import NO_RETRY
from parley.adapters.http.openai.response_events import StreamedResponse
from parley.adapters.http.openai.response_items import Origin, whole_response
from parley.adapters.http.openai.response_numbers import Position, Step
from parley.adapters.http.ports import ports_of
from parley.adapters.http.quota_headers import quota_headers
from parley.adapters.http.streaming.following import follow
from parley.adapters.http.streaming.frames import event_stream
from parley.core.chat.accepted import Accepted
from parley.core.chat.history import read_message
from parley.core.chat.model import Message, Status
from parley.core.chat.reply_events import ReplyEnded
from parley.core.chat.reply_settings import ReplySettings
from parley.core.errors import InvalidInput


async def answer_stored(
    request: AuthenticatedRequest, accepted: Accepted, settings: ReplySettings, taken: ExitStack, *, stream: bool
) -> Response[Any]:
    """The answer to a request for a new response, for whose reader `taken` is counted."""
    ports, reply = ports_of(request), accepted.reply
    bind_contextvars(reply_id=str(reply.id))
    headers = quota_headers(accepted.allowance, ports.chat.now())
    origin = Origin(settings, stored=True)
    if stream:
        return await stream_stored(request, reply, origin, after=None, headers=headers, taken=taken)
    if not settings.in_background:
        reply = await _ended(request, reply, taken)
    if reply.status is Status.FAILED:
        refused = refused_answer(ports, reply.error, "input")
        # It is stored, and its models were asked as often as they may be: a repeat would be another message.
        refused.headers |= NO_RETRY
        return refused
    return Response(whole_response(reply, origin), headers=headers)


async def stream_stored(
    request: AuthenticatedRequest,
    reply: Message,
    origin: Origin,
    *,
    after: int | None,
    headers: dict[str, str],
    taken: ExitStack | None = None,
) -> Response[Any]:
    """The events behind the sequence number `after`. Raises InvalidInput for one that the response does not have."""
    events = follow(request, reply, taken)
    _check_number(reply, after)
    # A refusal comes before the headers.
    await anext(events)
    return event_stream(StreamedResponse(reply, origin, after=after).frames(None, events), **headers)


async def _ended(request: AuthenticatedRequest, reply: Message, taken: ExitStack) -> Message:
    """The reply after its end, or as it is if this process shuts down. Raises TokenInvalid and AccountSuspended."""
    ports, caller = ports_of(request), request.user
    async with aclosing(follow(request, reply, taken)) as events:
        async for event in events:
            if isinstance(event, ReplyEnded):
                return event.message
    ports.accounts.revocations.check_known(caller.session_id, caller.account_id)
    return await read_message(ports.chat, account_id=caller.account_id, room_id=reply.room_id, message_id=reply.id)


def _check_number(reply: Message, after: int | None) -> None:
    position = None if after is None else Position.of(after)
    if position is None:
        return
    # An offset behind the end may be true: readers had text that was lost before it was stored.
    is_early_end = position.step is Step.ENDED and not reply.status.ended
    if position.attempt > max(reply.attempt, 1) or is_early_end:
        raise InvalidInput("starting_after", "must be the sequence number of an event of this response")
