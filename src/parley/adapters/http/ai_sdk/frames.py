"""A reply as the frames of a UI message stream (ai-sdk.dev, «Stream Protocols»)."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing

from parley.adapters.http.server.broken import ConnectionBroken
from parley.adapters.http.streaming.frames import KEEP_ALIVE, data_frame
from parley.core.accounts.errors import TokenInvalid
from parley.core.chat.model import FinishReason, Message, Status
from parley.core.chat.parts import PartKind
from parley.core.chat.reply_events import AttemptStarted, Delta, KeepAlive, ReplyEnded, ReplyEvent, Snapshot

DONE = b"data: [DONE]\n\n"
# The first major version of npm's `ai` that knows `reset-step`.
RESETS_SINCE = 7
_REASONS = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.CONTENT_FILTER: "content-filter",
}
_CUT_OFF = "The answer was cut off. Try again."


class UIMessageStream:
    """The frames of one reply, from its beginning.

    A later attempt takes back what the client has read by `reset-step`. A client of an older `version` does not know
    that: for it the connection is broken, and its next one replays the reply.
    """

    def __init__(self, reply_id: str, *, version: int) -> None:
        self._reply_id = reply_id
        self._version = version
        self._open: PartKind | None = None
        self._number = 0
        self._attempt: int | None = None

    async def frames(
        self, events: AsyncGenerator[ReplyEvent, None], check_access: Callable[[], None]
    ) -> AsyncGenerator[bytes, None]:
        """Ends with [DONE] after the end of the reply, else with an error."""
        yield data_frame({"type": "start", "messageId": self._reply_id}) + data_frame({"type": "start-step"})
        async with aclosing(events):
            async for event in events:
                match event:
                    case AttemptStarted(position):
                        for frame in self._begin(position.attempt):
                            yield frame
                    case Delta(_, text, kind):
                        yield b"".join(self._delta(text, kind))
                    case ReplyEnded(_, message):
                        yield b"".join(self._end(message))
                        return
                    case Snapshot() | KeepAlive():
                        yield KEEP_ALIVE
        yield _error(_refusal(check_access) or _CUT_OFF)

    def _begin(self, attempt: int) -> Iterator[bytes]:
        """Raises ConnectionBroken."""
        if self._number and self._attempt not in (None, attempt):
            if self._version < RESETS_SINCE:
                raise ConnectionBroken
            yield data_frame({"type": "reset-step"})
            self._open = None
        self._attempt = attempt

    def _delta(self, text: str, kind: PartKind) -> Iterator[bytes]:
        if self._open is not kind:
            yield from self._close()
            self._open, self._number = kind, self._number + 1
            yield data_frame({"type": f"{kind.value}-start", "id": str(self._number)})
        yield data_frame({"type": f"{kind.value}-delta", "id": str(self._number), "delta": text})

    def _close(self) -> Iterator[bytes]:
        if self._open is not None:
            yield data_frame({"type": f"{self._open.value}-end", "id": str(self._number)})
            self._open = None

    def _end(self, message: Message) -> Iterator[bytes]:
        yield from self._close()
        match message.status:
            case Status.COMPLETED:
                reason = _REASONS[message.finish_reason or FinishReason.STOP]
                yield data_frame({"type": "finish-step"}) + data_frame({"type": "finish", "finishReason": reason})
            case Status.STOPPED:
                yield data_frame({"type": "abort"})
            case _:
                yield _error(message.error.detail if message.error else _CUT_OFF)
        yield DONE


def _refusal(check_access: Callable[[], None]) -> str | None:
    try:
        check_access()
    except TokenInvalid as refusal:
        return refusal.detail
    return None


def _error(sentence: str) -> bytes:
    return data_frame({"type": "error", "errorText": sentence})
