"""Ports of the chat module that trace the steps of a reply."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from datetime import datetime
from typing import Any, cast

from opentelemetry.trace import Span, SpanKind, Tracer, get_current_span

from parley.adapters.tracing import ending
from parley.core.chat.circuit_breaker import CircuitState
from parley.core.chat.language_model import LanguageModel, ModelEvent, Text
from parley.core.chat.model import Claim, Conversation, Ending
from parley.core.chat.ports import ReplyMeter
from parley.core.chat.rating import Rating
from parley.core.chat.stores import ChatUnit, ChatUnitOfWork


class TracedMeter:
    """A ReplyMeter that also annotates the current span, which is that of the task that writes the reply."""

    def __init__(self, meter: ReplyMeter) -> None:
        self._meter = meter

    def claimed(self, claim: Claim) -> None:
        get_current_span().set_attributes({"parley.attempt": claim.attempt, "parley.model": claim.model})
        self._meter.claimed(claim)

    def first_text(self, claim: Claim, at: datetime) -> None:
        self._meter.first_text(claim, at)

    def attempt_failed(self, claim: Claim, code: str) -> None:
        get_current_span().add_event("attempt_failed", {"parley.code": code})
        self._meter.attempt_failed(claim, code)

    def fell_back(self, model: str, to: str) -> None:
        get_current_span().set_attribute("parley.model", to)
        self._meter.fell_back(model, to)

    def rated(self, model: str, rating: Rating) -> None:
        self._meter.rated(model, rating)

    def circuit_changed(self, model: str, state: CircuitState) -> None:
        self._meter.circuit_changed(model, state)

    def ended(self, claim: Claim, ending: Ending) -> None:
        get_current_span().set_attribute("parley.end", ending.status.value)
        self._meter.ended(claim, ending)

    def titled(self, model: str) -> None:
        self._meter.titled(model)

    def title_failed(self, model: str, code: str) -> None:
        self._meter.title_failed(model, code)


class TracedModel:
    """A LanguageModel whose answers are spans, from the request to the last part."""

    def __init__(self, writer: LanguageModel, tracer: Tracer) -> None:
        self._writer = writer
        self._tracer = tracer

    async def reply(self, model: str, conversation: Conversation) -> AsyncGenerator[ModelEvent, None]:
        # Not made the current span: a generator runs in the context of whichever task asks for the next part.
        span = self._tracer.start_span("ask_model", kind=SpanKind.CLIENT, attributes={"gen_ai.request.model": model})
        waiting = True
        with ending(span):
            async with aclosing(self._writer.reply(model, conversation)) as answer:
                async for part in answer:
                    if waiting and isinstance(part, Text):
                        span.add_event("first_text")
                        waiting = False
                    yield part

    async def check(self, models: Sequence[str]) -> str:
        return await self._writer.check(models)

    async def close(self) -> None:
        await self._writer.close()


class TracedChat:
    """A ChatUnitOfWork whose transactions are spans, but for those that only read.

    Each is named after its first call to the port of replies: `replies.claim`, `replies.renew`, `replies.end`.
    """

    def __init__(self, uow: ChatUnitOfWork, tracer: Tracer) -> None:
        self._uow = uow
        self._tracer = tracer

    def __call__(self, *, read_only: bool = False, single: bool = False) -> AbstractAsyncContextManager[ChatUnit]:
        return self._uow(read_only=True) if read_only else self._open(single)

    @asynccontextmanager
    async def _open(self, single: bool) -> AsyncGenerator[ChatUnit, None]:
        span = self._tracer.start_span("transaction")
        with ending(span):
            async with self._uow(single=single) as unit:
                yield cast("ChatUnit", _Unit(unit, span))


class _Unit:
    """The same unit of work, with a traced port of replies."""

    def __init__(self, unit: ChatUnit, span: Span) -> None:
        self._unit = unit
        self.replies = _Naming(unit.replies, span)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unit, name)


class _Naming:
    """The same port; its first call names the span."""

    def __init__(self, port: object, span: Span) -> None:
        self._port = port
        self._span = span
        self._named = False

    def __getattr__(self, name: str) -> Any:
        if not self._named:
            self._named = True
            self._span.update_name(f"replies.{name}")
        return getattr(self._port, name)
