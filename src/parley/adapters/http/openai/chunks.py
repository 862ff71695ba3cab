"""A reply as the chunks of a streamed chat completion, or as a whole one."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from parley.adapters.http.openai.completion_bodies import (
    AnswerMessage,
    Choice,
    Completion,
    CompletionTokensDetails,
    PromptTokensDetails,
    Usage,
)
from parley.adapters.http.openai.errors import failure
from parley.adapters.http.streaming.frames import KEEP_ALIVE, data_frame
from parley.core.chat.model import FinishReason, Message, ReplyError, Status
from parley.core.chat.parts import PartKind
from parley.core.chat.prompts import AcceptedPrompt
from parley.core.chat.reply_events import AttemptStarted, Delta, KeepAlive, ReplyEnded, ReplyEvent
from parley.core.chat.tokens import TokenUsage

DONE = b"data: [DONE]\n\n"
Events = AsyncGenerator[AcceptedPrompt | ReplyEvent, None]
_FIELDS = {PartKind.TEXT: "content", PartKind.REASONING: "reasoning_content"}
# A second attempt cannot take back what a client of this protocol has read.
_WRITTEN_AGAIN = ReplyError("interrupted", "The answer broke off and would begin anew. Try again.")


class ChunkedAnswer:
    """The chunks of one answer. `include_usage` adds a last one with the token counts, and nothing else."""

    def __init__(self, reply: Message, *, include_usage: bool) -> None:
        self._common: dict[str, Any] = {
            "id": completion_id(reply),
            "object": "chat.completion.chunk",
            "created": int(reply.created_at.timestamp()),
            "model": reply.model,
        }
        self._no_usage = {"usage": None} if include_usage else {}
        self._include_usage = include_usage
        self._has_text = False

    async def frames(self, first: ReplyEvent, events: Events) -> AsyncGenerator[bytes, None]:
        """Frames from the event `first` on. [DONE] comes after a whole answer alone; else an error is the last one."""
        async with aclosing(events):
            yield self._chunk({"role": "assistant", "content": "", "refusal": None})
            event: AcceptedPrompt | ReplyEvent | None = first
            while event is not None:
                match event:
                    case AttemptStarted() if self._has_text:
                        yield _error(_WRITTEN_AGAIN)
                        return
                    case ReplyEnded(_, message):
                        for frame in self._end(message):
                            yield frame
                        return
                    case Delta(_, text, kind):
                        self._has_text = self._has_text or kind is PartKind.TEXT
                        yield self._chunk({_FIELDS[kind]: text})
                    case KeepAlive():
                        yield KEEP_ALIVE
                event = await anext(events, None)
            yield _error(None)

    def _end(self, message: Message) -> list[bytes]:
        if message.status is not Status.COMPLETED:
            return [_error(message.error)]
        frames = [self._chunk({}, finished_by(message))]
        if self._include_usage:
            frames.append(data_frame(self._common | {"choices": [], "usage": usage_of(message.usage)}))
        return [*frames, DONE]

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return data_frame(self._common | {"choices": [choice]} | self._no_usage)


def whole_answer(message: Message) -> Completion:
    reasoning = "".join(part.text for part in message.parts if part.kind is PartKind.REASONING)
    answer = AnswerMessage(message.content, None, "assistant")
    if reasoning:
        answer.reasoning_content = reasoning
    return Completion(
        id=completion_id(message),
        created=int(message.created_at.timestamp()),
        model=message.model or "",
        choices=[Choice(answer, finished_by(message))],
        usage=usage_of(message.usage),
    )


def completion_id(reply: Message) -> str:
    return f"chatcmpl-{reply.id.hex}"


def finished_by(message: Message) -> Any:
    return (message.finish_reason or FinishReason.STOP).value


def usage_of(usage: TokenUsage | None) -> Usage | None:
    if usage is None:
        return None
    read, written = usage.input_tokens or 0, usage.output_tokens or 0
    return Usage(
        prompt_tokens=read,
        completion_tokens=written,
        total_tokens=read + written,
        prompt_tokens_details=PromptTokensDetails(usage.cached_input_tokens or 0),
        completion_tokens_details=CompletionTokensDetails(usage.reasoning_tokens or 0),
    )


def _error(error: ReplyError | None) -> bytes:
    _, body = failure(error)
    return data_frame(body)
