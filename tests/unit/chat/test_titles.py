"""Titles of rooms: the first words of the first message, then what a model writes after the first reply."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from parley.core.chat.catalogue import ModelCatalogue
from parley.core.chat.errors import ModelRefused, ModelUnavailable
from parley.core.chat.language_model import Reasoning, SignOfLife
from parley.core.chat.model import Message, Room, Status
from parley.core.chat.naming import NEW_ROOM_NAME, Naming
from parley.core.chat.ports import CacheMiss
from parley.core.chat.title_rules import TitleRules
from parley.core.chat.tokens import TokenUsage
from parley.core.chat.write_title import (
    EXCHANGE_CHARACTERS,
    FIRST_RETRY_SECONDS,
    INSTRUCTIONS,
    MAX_ATTEMPTS,
    OVERDUE_SECONDS,
    TITLE_SECONDS,
    requeue_titles,
    write_title,
)
from parley.core.errors import Unavailable
from tests.unit.chat.environment import LIMITS, ChatEnvironment, UnavailableUnitOfWork
from tests.unit.chat.scripted_model import BreakOff, Gate, Pause, Step

DOWN = ModelUnavailable("model_unavailable", "Down.")


class Titles:
    """A room without a name, whose first message was answered, and whose title is to be written."""

    def __init__(self, env: ChatEnvironment) -> None:
        self.env = env
        self.room: Room

    async def answered(self, *steps: Step, model: str | None = None, question: str = "Where is it warm?") -> "Titles":
        """Afterwards the model follows `steps`."""
        self.room = await self.env.room(name=None, model=model)
        await self.answer(await self.env.reply(self.room, question))
        self.env.model.scripts.clear()
        self.env.model.will(*steps)
        return self

    async def answer(self, reply: Message, *steps: Step) -> None:
        self.env.model.scripts.clear()
        self.env.model.will(*(steps or ("In Athens.",)))
        await self.env.write(reply)

    async def write(self, **changes: Any) -> None:
        await write_title(replace(self.env.chat, **changes), self.room.id)

    async def now(self) -> tuple[str, str]:
        """The name and its source."""
        async with self.env.uow(read_only=True) as unit:
            room = await unit.rooms.get(self.room.id, self.env.account_id)
        assert room is not None
        return room.name, room.title_source

    @property
    def waits(self) -> bool:
        """Whether a title is still to be written."""
        return self.room.id in self.env.database.committed.title_jobs

    def counted(self, end: str, model: str = "vendor/fast") -> float:
        labels = {"model": model, "end": end}
        return self.env.metrics.registry.get_sample_value("parley_titles_total", labels) or 0.0


@pytest.fixture
def titles(env: ChatEnvironment) -> Titles:
    return Titles(env)


async def test_a_room_without_a_name_gets_the_first_words_and_then_a_title(env, titles):
    titles.room = await env.room(name=None)
    assert (titles.room.name, titles.room.title_source) == (NEW_ROOM_NAME, "auto")
    reply = await env.reply(titles.room, "Where is\nit warm in May,  " + "and " * 50)
    assert await titles.now() == ("Where is it warm in May, and and and and and and and and and", "auto")

    await titles.answer(reply)
    assert await env.title_queue.take() == titles.room.id
    env.model.scripts.clear()
    env.model.will('"Warm places in May"')
    await titles.write()

    assert await titles.now() == ("Warm places in May", "auto")
    assert not titles.waits
    assert titles.counted("written") == 1


async def test_a_room_with_a_name_keeps_it(env, titles):
    titles.room = await env.room(name="Mine")
    await titles.answer(await env.reply(titles.room))
    assert await titles.now() == ("Mine", "user")
    assert not titles.waits
    assert env.title_queue.waiting == 0


async def test_the_model_is_asked_for_a_title_of_the_first_exchange(env, titles):
    await titles.answered("A title", question="q" * 10_000)
    await titles.write()

    [asked] = env.model.asked[-1].turns
    assert env.model.asked[-1].instructions == INSTRUCTIONS
    assert "q" * EXCHANGE_CHARACTERS in asked.content
    assert "q" * (EXCHANGE_CHARACTERS + 1) not in asked.content
    assert "In Athens." in asked.content


async def test_only_tokens_are_counted(env, titles):
    await titles.answered("A title")
    before = await env.usage()
    env.model.usage = TokenUsage(100, 10)
    await titles.write()

    after = await env.usage()
    assert (after.used, after.input_tokens, after.output_tokens) == (
        before.used,
        before.input_tokens + 100,
        before.output_tokens + 10,
    )


async def test_reasoning_is_no_part_of_a_title(titles):
    await titles.answered(Reasoning("The user wants"), "A ", "title")
    await titles.write()
    assert await titles.now() == ("A title", "auto")


@pytest.mark.parametrize(
    ("rules", "model", "asked"),
    [
        (TitleRules(), None, "fast"),
        (TitleRules(), "vendor/good", "good"),
        (TitleRules(model="other/only"), "vendor/good", "only"),
    ],
)
async def test_the_model_of_the_room_is_asked_unless_another_is_set(env, titles, rules, model, asked):
    await titles.answered("A title", model=model)
    await titles.write(titles=rules)
    assert env.model.models[-1] == asked


async def test_the_default_model_is_asked_where_the_rooms_is_no_longer_on_offer(env, titles):
    await titles.answered("A title", model="other/only")
    del env.providers["other"]
    await titles.write()
    assert env.model.models[-1] == "fast"


async def test_without_titles_the_first_words_remain(env, titles):
    env.chat = replace(env.chat, titles=TitleRules(are_written=False))
    await titles.answered()
    assert await titles.now() == ("Where is it warm?", "auto")
    assert not titles.waits
    env.chat = replace(env.chat, titles=TitleRules())
    await titles.answer(await env.reply(titles.room))
    assert not titles.waits


async def test_a_model_that_writes_no_titles_is_not_asked(env, titles):
    await titles.answered("A title")
    asked = len(env.model.asked)
    provider = replace(env.providers["vendor"], writes_titles=False)
    await titles.write(catalogue=ModelCatalogue({"vendor": provider}, "vendor/fast"))
    assert (await titles.now(), titles.waits, len(env.model.asked)) == (("Where is it warm?", "auto"), False, asked)


async def test_a_failed_reply_brings_no_title_and_the_next_one_does(env, titles):
    titles.room = await env.room(name=None)
    await titles.answer(await env.reply(titles.room), ModelRefused("prompt_blocked", "No."))
    assert not titles.waits
    stopped = await env.reply(titles.room)
    await env.stop(stopped)
    assert not titles.waits
    await titles.answer(await env.reply(titles.room))
    assert titles.waits


async def test_a_reply_that_was_stopped_within_its_text_brings_one(env, titles):
    titles.room = await env.room(name=None)
    reply, gate = await env.reply(titles.room), Gate()
    env.model.will("Half an", gate)
    async with env.writing(reply):
        await gate.reached()
        await env.stop(reply)
        gate.open()
    assert (await env.message(reply)).status is Status.STOPPED
    assert titles.waits


async def test_later_replies_bring_no_title(env, titles):
    await titles.answered("A title")
    await titles.write()
    await titles.answer(await env.reply(titles.room))
    assert not titles.waits


async def test_a_name_that_the_account_gives_before_the_first_message_stays(env, titles):
    titles.room = await env.room(name=None)
    await env.change(titles.room, name="Mine")
    await titles.answer(await env.reply(titles.room))
    assert (await titles.now(), titles.waits) == (("Mine", "user"), False)


async def test_other_changes_leave_the_title_automatic(env, titles):
    await titles.answered("A title")
    room = await env.change(titles.room, pinned=True)
    assert room.title_source == "auto"
    await titles.write()
    assert await titles.now() == ("A title", "auto")


async def test_a_name_that_the_account_gives_during_the_call_stays(env, titles):
    gate = Gate()
    await titles.answered("A title", gate)
    writing = asyncio.create_task(titles.write())
    await gate.reached()
    # Also the same one again.
    await env.change(titles.room, name="Where is it warm?")
    gate.open()
    await writing
    assert (await titles.now(), titles.waits) == (("Where is it warm?", "user"), False)
    assert (titles.counted("written"), titles.counted("failed")) == (0, 0)


async def test_a_room_that_is_deleted_during_the_call_stays_deleted(env, titles):
    gate = Gate()
    await titles.answered("A title", gate)
    writing = asyncio.create_task(titles.write())
    await gate.reached()
    await env.delete(titles.room)
    gate.open()
    await writing
    assert env.database.committed.rooms == {}


async def test_an_unknown_room_has_no_title_to_write(env):
    await write_title(env.chat, UUID(int=99))
    assert env.model.asked == []


@pytest.mark.parametrize(
    ("steps", "waits"),
    [
        ((ModelRefused("prompt_blocked", "No."),), False),
        (("---",), False),
        ((Reasoning("Hm."),), False),
        ((Pause(TITLE_SECONDS + 1), "A title"), True),
        (tuple(each for _ in range(20) for each in (Pause(10), SignOfLife())), False),
        ((DOWN,), True),
        (("A tit", BreakOff()), True),
    ],
    ids=["refused", "empty", "only reasoning", "silent", "endless", "down", "broken off"],
)
async def test_a_failure_leaves_the_first_words_and_is_counted_once_if_it_is_final(titles, steps, waits):
    await titles.answered(*steps)
    await titles.write()
    assert (await titles.now(), titles.waits) == (("Where is it warm?", "auto"), waits)
    assert titles.counted("failed") == (0 if waits else 1)


async def test_failed_attempts_are_repeated_later_and_not_for_ever(env, titles):
    await titles.answered(DOWN)
    asked, delay = len(env.model.asked), FIRST_RETRY_SECONDS
    for attempt in range(MAX_ATTEMPTS):
        assert titles.waits
        await titles.write()
        assert len(env.model.asked) == asked + attempt + 1
        await titles.write()
        await asyncio.sleep(delay)
        delay *= 4
    assert (await titles.now(), titles.waits) == (("Where is it warm?", "auto"), False)
    assert titles.counted("failed") == 1
    assert (await env.usage()).used == 1


async def test_a_later_attempt_writes_the_title_and_the_tokens_of_both_count(env, titles):
    await titles.answered(ModelUnavailable("overloaded", "Later.", retry_after=30, usage=TokenUsage(5, 1)))
    before = await env.usage()
    env.model.will("A title")
    env.model.usage = TokenUsage(100, 10)
    await titles.write()
    await asyncio.sleep(29)
    await titles.write()
    assert titles.waits
    await asyncio.sleep(1)
    await titles.write()
    after = await env.usage()
    assert await titles.now() == ("A title", "auto")
    assert (after.input_tokens - before.input_tokens, after.output_tokens - before.output_tokens) == (105, 11)


async def test_a_model_behind_an_open_circuit_breaker_is_not_asked(env, titles):
    await titles.answered("A title")
    asked = len(env.model.asked)
    for _ in range(100):
        env.chat.breakers.of("vendor/fast").failed(None)
    await titles.write()
    assert (titles.waits, len(env.model.asked)) == (True, asked)


async def test_the_lease_is_renewed_while_the_model_writes(env, titles):
    await titles.answered("A", *(each for _ in range(5) for each in (Pause(10), " b")))
    writing = asyncio.create_task(titles.write())
    for _ in range(4):
        await asyncio.sleep(LIMITS.lease / 2)
        await titles.write()
    await writing
    assert await titles.now() == ("A b b b b b", "auto")
    assert len(env.model.asked) == 2


async def test_the_title_of_a_dead_worker_is_requeued_and_written_by_another(env, titles):
    await titles.answered("A title")
    assert await env.title_queue.take() == titles.room.id
    async with env.uow() as unit:
        dead = await unit.titles.claim(titles.room.id, lease=LIMITS.lease)
        await unit.commit()
    assert await requeue_titles(env.chat) == 0
    await asyncio.sleep(LIMITS.lease + OVERDUE_SECONDS)
    assert await requeue_titles(env.chat) == 1
    assert await env.title_queue.take() == titles.room.id
    await titles.write()
    assert await titles.now() == ("A title", "auto")
    async with env.uow() as unit:
        assert not await unit.titles.end(dead, "Too late")


async def test_a_title_that_kills_its_workers_is_given_up(env, titles):
    await titles.answered("A title")
    for _ in range(MAX_ATTEMPTS):
        async with env.uow() as unit:
            assert await unit.titles.claim(titles.room.id, lease=0) is not None
            await unit.commit()
    await titles.write()
    assert (await titles.now(), titles.waits) == (("Where is it warm?", "auto"), False)
    assert titles.counted("failed") == 1


async def test_a_worker_that_shuts_down_gives_the_title_back(env, titles):
    gate = Gate()
    await titles.answered("A title", gate)
    assert await env.title_queue.take() == titles.room.id
    writing = asyncio.create_task(titles.write())
    await gate.reached()
    writing.cancel()
    await asyncio.wait({writing})
    gate.open()
    assert writing.cancelled()
    assert await env.title_queue.take() == titles.room.id
    await titles.write()
    assert await titles.now() == ("A title", "auto")


async def test_a_worker_whose_lease_was_lost_writes_nothing(env, titles):
    gate = Gate()
    await titles.answered("Too late", gate)
    writing = asyncio.create_task(titles.write())
    await gate.reached()
    async with env.uow() as unit:
        claim = await unit.titles.claim(titles.room.id, lease=0)
        assert claim is None
        job = env.database.committed.title_jobs[titles.room.id]
        await unit.commit()
    env.database.committed.title_jobs[titles.room.id] = replace(job, attempt=job.attempt + 1)
    await asyncio.sleep(LIMITS.lease)
    gate.open()
    await writing
    assert (await titles.now(), titles.waits) == (("Where is it warm?", "auto"), True)


async def test_a_database_that_is_away_for_a_while_delays_the_title(env, titles):
    away = UnavailableUnitOfWork(env.uow)
    await titles.answered("A ", Pause(10), "title")
    writing = asyncio.create_task(titles.write(uow=away))
    await asyncio.sleep(1)
    away.until = 15
    await writing
    assert await titles.now() == ("A title", "auto")


async def test_a_database_that_is_away_leaves_the_title_to_the_sweep(env, titles):
    away = UnavailableUnitOfWork(env.uow)
    await titles.answered("A title")
    away.until = 1_000
    with pytest.raises(Unavailable):
        await titles.write(uow=away)
    assert titles.waits


async def test_a_fault_of_ours_is_raised_and_tried_again_later(titles):
    await titles.answered(RuntimeError("broken"))
    with pytest.raises(RuntimeError):
        await titles.write()
    assert titles.waits
    await asyncio.sleep(FIRST_RETRY_SECONDS)
    with pytest.raises(RuntimeError):
        await titles.write()


async def test_the_cached_page_of_rooms_is_dropped(env, titles):
    await titles.answered("A title")
    before = await env.chat.room_list_cache.look_up(env.account_id, limit=50)
    assert isinstance(before, CacheMiss)
    await titles.write()
    assert await env.chat.room_list_cache.look_up(env.account_id, limit=50) != before


async def test_only_a_room_without_a_message_is_named_by_one(env, titles):
    titles.room = await env.room(name=None)
    for content in ("First", "Second"):
        await env.post(titles.room, content)
        assert await titles.now() == ("First", "auto")


async def test_a_refused_message_names_nothing(env, titles):
    for _ in range(5):
        await env.post(await env.room())
    titles.room = await env.room(name=None)
    with pytest.raises(Exception, match="5 messages"):
        await env.post(titles.room, "First")
    assert await titles.now() == (NEW_ROOM_NAME, "auto")
    assert titles.room.naming is Naming.NONE
