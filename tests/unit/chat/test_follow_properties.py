"""Property: for any text, chunks, losses and position to resume at, a reader ends with exactly the database's text."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from parley.core.chat.model import Chunk, Claim, Ending, EventId, Message, Status
from parley.core.chat.ports import StreamEnd, StreamSubscription
from parley.core.chat.reply_events import AttemptStarted, Delta
from tests.unit.chat.environment import ChatEnvironment
from tests.unit.chat.reader import Reader
from tests.unit.chat.virtual_time import run

texts = st.text(max_size=12)


@dataclass(frozen=True)
class Case:
    """The texts of all attempts, the last being the reply's; what the stream delivers; and the reader's position."""

    attempts: list[str]
    arrivals: list[Chunk | StreamEnd | None]
    after: EventId | None

    @property
    def seen(self) -> str:
        """The text that a reader has at that position."""
        return self.attempts[self.after.attempt - 1][: self.after.offset] if self.after else ""


@st.composite
def cases(draw: st.DrawFn) -> Case:
    attempts = draw(st.lists(texts, min_size=1, max_size=3))
    numbers = st.integers(1, len(attempts))

    @st.composite
    def chunks(draw: st.DrawFn) -> Chunk:
        """Any part of any attempt."""
        number = draw(numbers)
        text = attempts[number - 1]
        start = draw(st.integers(0, len(text)))
        return Chunk(number, start, text[start : draw(st.integers(start, len(text)))])

    @st.composite
    def positions(draw: st.DrawFn) -> EventId:
        number = draw(numbers)
        return EventId(number, draw(st.integers(0, len(attempts[number - 1]))))

    arrivals = st.one_of(chunks(), st.none(), st.just(StreamEnd.ENDED))
    return Case(attempts, draw(st.lists(arrivals, max_size=15)), draw(st.one_of(st.none(), positions())))


class ScriptedStream:
    """Delivers the given arrivals, then ends the reply in the database and delivers ENDED."""

    interrupted = False

    def __init__(self, env: ChatEnvironment, case: Case, claim: Claim) -> None:
        self._env = env
        self._case = case
        self._claim = claim
        self._arrivals = iter(case.arrivals)

    @asynccontextmanager
    async def follow(self, _reply_id: object) -> AsyncGenerator[StreamSubscription, None]:
        yield self

    async def receive(self, *, within: float) -> Chunk | StreamEnd | None:  # noqa: ARG002  the port's
        try:
            return next(self._arrivals)
        except StopIteration:
            async with self._env.uow() as unit:
                ending = Ending(Status.COMPLETED, self._case.attempts[-1], self._env.now())
                assert await unit.replies.end(self._claim, ending)
                await unit.commit()
            return StreamEnd.ENDED


async def running_reply(env: ChatEnvironment, case: Case) -> tuple[Message, Claim]:
    reply = await env.reply()
    for _ in case.attempts:
        claim = await env.claim(reply, lease=0)
    assert claim is not None
    return reply, claim


@given(case=cases())
@settings(max_examples=300, deadline=None)
def test_reader_ends_with_the_text_of_the_database(case):
    async def read() -> Reader:
        env = ChatEnvironment()
        reply, claim = await running_reply(env, case)
        reader = Reader(case.seen, case.after)
        return await reader.read(env.follow(reply, case.after, stream=ScriptedStream(env, case, claim)))

    reader = run(read())
    assert reader.ended is not None
    assert reader.text == reader.ended.content == case.attempts[-1]
    assert len([event for event in reader.events if isinstance(event, AttemptStarted)]) <= len(case.attempts)


@given(case=cases(), cuts=st.lists(st.integers(0, 4), max_size=4))
@settings(max_examples=300, deadline=None)
def test_reader_that_is_disconnected_repeatedly_ends_with_the_text_of_the_database(case, cuts):
    async def read() -> Reader:
        env = ChatEnvironment()
        reply, claim = await running_reply(env, case)
        stream = ScriptedStream(env, case, claim)
        reader = Reader(case.seen, case.after)
        for cut in cuts:
            events = env.follow(reply, reader.last, stream=stream)
            for _ in range(cut):
                if reader.ended is None:
                    reader.take(await anext(events))
            await events.aclose()
        return reader if reader.ended else await reader.read(env.follow(reply, reader.last, stream=stream))

    reader = run(read())
    assert reader.text == reader.ended.content == case.attempts[-1]


@given(text=st.text(min_size=1, max_size=30), data=st.data())
@settings(max_examples=100, deadline=None)
def test_chunks_in_order_are_sent_as_they_come_and_waiting_ones_merged(text, data):
    waits = st.sets(st.integers(1, len(text)), max_size=5)
    breaks = data.draw(waits) | {0, len(text)}
    cuts = sorted(data.draw(waits) | breaks)
    arrivals: list[Chunk | StreamEnd | None] = [Chunk(1, 0, ""), None]
    for start, end in pairwise(cuts):
        arrivals += [Chunk(1, start, text[start:end]), *([None] if end in breaks else [])]

    async def read() -> Reader:
        env = ChatEnvironment()
        case = Case([text], arrivals, None)
        reply, claim = await running_reply(env, case)
        return await Reader().read(env.follow(reply, stream=ScriptedStream(env, case, claim)))

    deltas = [event for event in run(read()).events if isinstance(event, Delta)]
    assert deltas == [Delta(EventId(1, end), text[start:end]) for start, end in pairwise(sorted(breaks))]
