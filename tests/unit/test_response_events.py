"""Streams of responses that go on after any of their events, in another process and with other deltas."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from parley.adapters.http.openai.response_events import StreamedResponse
from parley.adapters.http.openai.response_items import Origin
from parley.adapters.http.openai.response_numbers import LARGEST_NUMBER, Position, Step
from parley.core.chat.draft import LARGEST_REPLY_CHARACTERS
from parley.core.chat.model import EventId, Message, ReplyError, Role, Status
from parley.core.chat.parts import Part, PartKind
from parley.core.chat.reply_events import AttemptStarted, Delta, KeepAlive, ReplyEnded, ReplyEvent, end_of
from parley.core.chat.reply_settings import ReplySettings

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
REPLY = Message(UUID(int=5), UUID(int=3), Role.ASSISTANT, "", Status.PENDING, NOW, model="scripted/one")
THINKS, SAYS = PartKind.REASONING, PartKind.TEXT
WRITTEN = ((THINKS, "Hm. So."), (SAYS, "Where the sun shines."), (THINKS, "Or?"), (SAYS, " Yes."))
Written = tuple[tuple[PartKind, str], ...]


def attempt(number: int, written: Written, *, size: int) -> list[ReplyEvent]:
    """The events of one attempt, whose deltas have up to `size` characters."""
    events: list[ReplyEvent] = [AttemptStarted(EventId(number, 0))]
    end = 0
    for kind, text in written:
        for start in range(0, len(text), size):
            delta = text[start : start + size]
            end += len(delta)
            events.append(Delta(EventId(number, end), delta, kind))
    return events


def ended(number: int, written: Written, status: Status = Status.COMPLETED) -> ReplyEvent:
    parts = tuple(Part(kind, text) for kind, text in written)
    error = ReplyError("content_blocked", "It was blocked.") if status is Status.FAILED else None
    content = "".join(text for kind, text in written if kind is SAYS)
    message = Message(
        REPLY.id, REPLY.room_id, Role.ASSISTANT, content, status, NOW,
        model=REPLY.model, attempt=number, parts=parts, error=error,
    )  # fmt: skip
    return ReplyEnded(end_of(message), message)


def sent(events: Iterable[ReplyEvent], *, after: int | None = None, background: bool = False) -> list[dict[str, Any]]:
    async def follow() -> AsyncGenerator[ReplyEvent, None]:
        for event in events:
            yield event

    async def read() -> list[bytes]:
        origin = Origin(ReplySettings(in_background=background), stored=True)
        return [frame async for frame in StreamedResponse(REPLY, origin, after=after).frames(None, follow())]

    frames = b"".join(asyncio.run(read())).decode().split("\n\n")
    return [json.loads(frame.partition("data: ")[2]) for frame in frames if frame.startswith("event: ")]


def texts(events: list[dict[str, Any]]) -> dict[int, str]:
    found: dict[int, str] = {}
    for event in events:
        if event["type"].endswith(".delta"):
            found[event["output_index"]] = found.get(event["output_index"], "") + event["delta"]
    return found


def numbers(events: list[dict[str, Any]]) -> list[int]:
    return [event["sequence_number"] for event in events]


def test_numbers_grow_and_are_small_for_a_first_attempt() -> None:
    events = sent([*attempt(1, WRITTEN, size=4), ended(1, WRITTEN)], background=True)
    assert numbers(events)[:3] == [0, 1, 2]
    assert all(earlier < later for earlier, later in pairwise(numbers(events)))
    assert numbers(events)[-1] < 2**31


def test_a_number_says_where_it_is() -> None:
    for offset in (1, LARGEST_REPLY_CHARACTERS):
        for step in Step:
            position = Position(3, 2, offset, THINKS, step)
            assert Position.of(position.number) == position
    assert Position(2**15, 2**14 - 1, LARGEST_REPLY_CHARACTERS, THINKS, Step.ENDED).number <= LARGEST_NUMBER


def test_after_any_event_the_same_events_follow_from_the_same_deltas() -> None:
    for status in (Status.COMPLETED, Status.STOPPED, Status.FAILED):
        followed = [*attempt(1, WRITTEN, size=3), ended(1, WRITTEN, status)]
        whole = sent(followed)
        for index, event in enumerate(whole):
            assert sent(followed, after=event["sequence_number"]) == whole[index + 1 :]


def test_after_any_event_the_text_goes_on_exactly_from_other_deltas() -> None:
    whole = sent([*attempt(1, WRITTEN, size=3), ended(1, WRITTEN)])
    for size in (1, 2, 5, 100):
        for index, event in enumerate(whole):
            rest = sent([*attempt(1, WRITTEN, size=size), ended(1, WRITTEN)], after=event["sequence_number"])
            both = [*whole[: index + 1], *rest]
            assert texts(both) == texts(whole)
            assert all(earlier < later for earlier, later in pairwise(numbers(both)))
            assert both[-1] == whole[-1]
            assert [each["item"]["id"] for each in both if each["type"] == "response.output_item.done"] == [
                item["id"] for item in both[-1]["response"]["output"]
            ]


def test_a_lost_attempt_is_closed_wherever_its_reader_was() -> None:
    first, second = attempt(1, WRITTEN[:2], size=3), [*attempt(2, WRITTEN, size=4), ended(2, WRITTEN)]
    lost = sent([*first, *second])
    seen = [event for event in lost if event["sequence_number"] <= Position(2, 0, 0, SAYS, Step.DELTA).number]
    assert [event["item"]["status"] for event in seen if event["type"] == "response.output_item.done"] == [
        "completed", "incomplete"
    ]  # fmt: skip
    for index, event in enumerate(seen):
        rest = sent(second, after=event["sequence_number"])
        both = [*seen[: index + 1], *rest]
        assert all(earlier < later for earlier, later in pairwise(numbers(both)))
        opened = [(each["output_index"], each["item"]["id"]) for each in both if each["type"].endswith("item.added")]
        closed = [(each["output_index"], each["item"]["id"]) for each in both if each["type"].endswith("item.done")]
        assert opened == closed
        assert [index for index, _ in opened] == list(range(len(opened)))
        output = both[-1]["response"]["output"]
        assert [item["content"][0]["text"] for item in output] == [text for _, text in WRITTEN]
        assert texts(both) | {} == {**texts(both), **{i + len(opened) - 4: text for i, (_, text) in enumerate(WRITTEN)}}


def test_a_second_attempt_without_earlier_text_has_the_first_item() -> None:
    events = sent([*attempt(1, (), size=1), *attempt(2, WRITTEN, size=9), ended(2, WRITTEN)])
    assert texts(events) == dict(enumerate(text for _, text in WRITTEN))


def test_a_cancelled_response_ends_with_an_event_that_clients_know() -> None:
    written = ((SAYS, "Half an "),)
    events = sent([*attempt(1, written, size=9), ended(1, written, Status.STOPPED)])
    assert (events[-1]["type"], events[-1]["response"]["status"]) == ("response.incomplete", "cancelled")
    assert events[-1]["response"]["output"][0]["status"] == "incomplete"


def test_a_comment_says_that_the_stream_lives() -> None:
    async def read() -> list[bytes]:
        async def events() -> AsyncGenerator[ReplyEvent, None]:
            yield KeepAlive()
            yield ended(1, WRITTEN)

        origin = Origin(ReplySettings(), stored=True)
        return [frame async for frame in StreamedResponse(REPLY, origin).frames(None, events())]

    assert asyncio.run(read())[1] == b": ping\n\n"


def test_a_stream_that_cannot_go_on_ends_with_an_error_that_has_no_number_of_its_own() -> None:
    events = sent(attempt(1, WRITTEN[:1], size=9))
    assert events[-1]["type"] == "error"
    assert events[-1]["sequence_number"] == events[-2]["sequence_number"]


def test_a_response_in_the_background_is_queued_first() -> None:
    events = sent([*attempt(1, WRITTEN, size=9), ended(1, WRITTEN)], background=True)
    assert [(event["type"], event["response"]["status"]) for event in events[:3]] == [
        ("response.created", "queued"), ("response.queued", "queued"), ("response.in_progress", "in_progress"),
    ]  # fmt: skip


def test_a_reply_that_ended_with_less_than_its_reader_had_is_sent_again_and_ended() -> None:
    whole = sent([*attempt(1, WRITTEN, size=3), ended(1, WRITTEN)])
    less: list[Written] = [
        (), ((THINKS, "Hm."),), WRITTEN[:1], (WRITTEN[0], (SAYS, "Where")), WRITTEN[:2], WRITTEN[:3],
    ]  # fmt: skip
    for written in less:
        known = sum(len(text) for _, text in written)
        for status in (Status.COMPLETED, Status.STOPPED, Status.FAILED):
            followed = [*attempt(1, written, size=4), ended(1, written, status)]
            for index, event in enumerate(whole[:-1]):
                rest = sent(followed, after=event["sequence_number"])
                both = [*whole[: index + 1], *rest]
                assert_whole(both)
                assert all(sent(followed, after=rest[n]["sequence_number"]) == rest[n + 1 :] for n in range(len(rest)))
                position = Position.of(event["sequence_number"])
                if position is not None and position.offset > known:
                    output = both[-1]["response"]["output"]
                    assert [item["content"][0]["text"] for item in output] == [text for _, text in written]


def assert_whole(events: list[dict[str, Any]]) -> None:
    """Every item is closed once, and the last event ends the response."""
    assert all(earlier < later for earlier, later in pairwise(numbers(events)))
    opened = [(each["output_index"], each["item"]["id"]) for each in events if each["type"].endswith("item.added")]
    closed = [(each["output_index"], each["item"]["id"]) for each in events if each["type"].endswith("item.done")]
    assert opened == closed
    last = events[-1]
    assert last["type"] in {"response.completed", "response.incomplete", "response.failed"}
    ids = [item["id"] for item in last["response"]["output"]]
    assert ids == [id_ for _, id_ in closed][len(closed) - len(ids) :]


def test_an_item_that_had_only_begun_is_closed_by_a_later_attempt() -> None:
    first, second = attempt(1, WRITTEN[:1], size=9), [*attempt(2, WRITTEN, size=9), ended(2, WRITTEN)]
    longer = sent(attempt(1, WRITTEN[:2], size=9))
    begun = next(index for index, event in enumerate(longer) if event.get("output_index") == 1)
    for last in (begun, begun + 1):
        assert longer[last]["type"].endswith(".added")
        after = longer[last]["sequence_number"]
        assert_whole([*longer[: last + 1], *sent([*first, *second], after=after)])


def test_an_earlier_attempt_does_not_count_for_the_reader_of_a_later_one() -> None:
    followed = [*attempt(1, WRITTEN[:2], size=3), *attempt(2, WRITTEN, size=4), ended(2, WRITTEN)]
    whole = sent(followed)
    for index, event in enumerate(whole):
        assert sent(followed, after=event["sequence_number"]) == whole[index + 1 :]


def test_any_number_but_that_of_an_end_is_followed_by_the_end() -> None:
    followed = [*attempt(1, WRITTEN, size=3), ended(1, WRITTEN)]
    for step in set(Step) - {Step.ENDED}:
        for offset in (0, 1, 8, 20, 500):
            for index in (0, 1, 9):
                for kind in PartKind:
                    after = Position(1, index, offset, kind, step).number
                    assert sent(followed, after=after)[-1]["type"] == "response.completed"
    assert sent(followed, after=Position(1, 3, 500, SAYS, Step.ENDED).number) == []
