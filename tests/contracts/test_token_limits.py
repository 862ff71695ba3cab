"""Limits of tokens over every store: what is reserved, what it becomes, and that nothing gets around it."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from parley.adapters.models.offline import OfflineModel
from parley.core.billing.model import DayUsage
from parley.core.chat import ChatPorts
from parley.core.chat.allowance import Allowance
from parley.core.chat.catalogue import ModelCatalogue, Provider
from parley.core.chat.end_reply import end_unclaimed_reply
from parley.core.chat.errors import ModelNotInPlan, QuotaExceeded, TooManyPending
from parley.core.chat.given_messages import add_messages
from parley.core.chat.message_request import GivenMessage
from parley.core.chat.messages import Accepted, edit_message, post_message, regenerate_reply
from parley.core.chat.model import Ending, Message, Role, Room, Status
from parley.core.chat.rooms import delete_room
from parley.core.chat.token_estimates import TokenEstimates
from parley.core.chat.tokens import Spent, TokenUsage
from parley.core.plans import Plan, Plans
from tests.contracts.chat_fixtures import COMPLETED, NOW, TODAY, Store, every_store

store = every_store
ANSWER = 100
QUESTION = "four"  # one token
ESTIMATES = TokenEstimates(4.0, ANSWER)
DAYS_OF_MARCH = 31
TOMORROW = NOW + timedelta(days=1)


def plans(**limits: object) -> Plans:
    return Plans([Plan(name="basic", title="Basic", **limits), Plan(name="pro", title="Pro", prices=("p",))])


def ports(store: Store, *, now: datetime = NOW, **limits: object) -> ChatPorts:
    return store.chat_ports(limit=plans(**limits), estimates=ESTIMATES, now=lambda: now)


async def post(chat: ChatPorts, room: Room, content: str = QUESTION, **wishes: object) -> Accepted:
    wishes = {"model": None, "key": None} | wishes
    return await post_message(chat, account_id=room.account_id, room_id=room.id, content=content, **wishes)


def left(allowance: Allowance) -> dict[str, tuple[int, int, int | None]]:
    """What was used, is reserved and remains, by policy."""
    return {each.policy: (each.tokens.used, each.tokens.reserved, each.remaining) for each in allowance.tokens}


async def look(store: Store, account_id: UUID, *, now: datetime = NOW, **limits: object) -> Allowance:
    async with store.chat_of(plans(**limits))(read_only=True) as unit:
        return await unit.quota.look(account_id, now=now)


async def end(store: Store, reply: Message, ending: Ending = COMPLETED, **changes: object) -> None:
    assert await store.end(await store.claim(reply), replace(ending, **changes))


@pytest.mark.parametrize("key", [None, "a key"])
async def test_message_reserves_what_it_will_read_and_a_fixed_answer(store, key):
    room = await store.new_room(instructions="eight by")
    chat = ports(store, tokens_per_day=1_000, tokens_per_month=5_000)
    first = await post(chat, room, key=key)
    expected = 2 + 1 + ANSWER
    assert left(first.allowance) == {
        "tokens-daily": (0, expected, 1_000 - expected),
        "tokens-monthly": (0, expected, 5_000 - expected),
    }
    # The second one reads what the first one has reserved, as nobody knows better yet.
    second = await post(chat, room)
    assert left(second.allowance)["tokens-daily"] == (0, 2 * expected + 1 + ANSWER, 1_000 - 3 * expected + 2)
    await end(store, first.reply, usage=TokenUsage(20, 30, None, 10))
    await end(store, second.reply, usage=TokenUsage(50, 60))
    third = await post(chat, room)
    assert left(third.allowance)["tokens-daily"] == (160, 110 + 1 + ANSWER, 1_000 - 160 - 211)
    assert await look(store, room.account_id, tokens_per_day=1_000, tokens_per_month=5_000) == third.allowance


async def test_edit_and_another_reply_reserve_what_their_branch_has(store):
    room = await store.new_room()
    chat = ports(store, tokens_per_day=10_000)
    asked = {"account_id": room.account_id, "room_id": room.id, "model": None, "key": None}
    first = await post(chat, room)
    await end(store, first.reply, usage=TokenUsage(20, 30))
    second = await post(chat, room)
    await end(store, second.reply, usage=TokenUsage(60, 40))
    again = await regenerate_reply(chat, reply_id=second.reply.id, **asked)
    assert left(again.allowance)["tokens-daily"][:2] == (150, 50 + 1 + ANSWER)
    edited = await edit_message(chat, message_id=first.question.id, content="eight by", **asked)
    assert left(edited.allowance)["tokens-daily"][:2] == (150, 50 + 1 + ANSWER + 2 + ANSWER)


async def test_given_messages_reserve_nothing_but_count_in_what_is_read_behind_them(store):
    room = await store.new_room(instructions="eight by")
    ids = {"account_id": room.account_id, "room_id": room.id}
    chat = ports(store, tokens_per_day=1_000)
    given = [GivenMessage(Role.USER, QUESTION * 2), GivenMessage(Role.ASSISTANT, QUESTION * 3)]
    await add_messages(chat, messages=given, **ids)
    await add_messages(chat, messages=given[:1], **ids)
    assert left(await look(store, room.account_id, tokens_per_day=1_000))["tokens-daily"][:2] == (0, 0)
    first = await post(chat, room)
    assert left(first.allowance)["tokens-daily"][:2] == (0, 2 + 2 + 3 + 2 + 1 + ANSWER)
    await end(store, first.reply, usage=TokenUsage(20, 30))
    second = await post(chat, room, before=given)
    assert left(second.allowance)["tokens-daily"][:2] == (50, 50 + 2 + 3 + 1 + ANSWER)


@pytest.mark.parametrize("limit", ["tokens_per_day", "tokens_per_month"])
async def test_messages_are_refused_once_what_is_used_and_reserved_reaches_the_limit(store, limit):
    room = await store.new_room()
    chat = ports(store, **{limit: 2 * (1 + ANSWER)})
    first = await post(chat, room)
    second = await post(chat, await store.new_room(room.account_id))
    for key in (None, "a key"):
        with pytest.raises(QuotaExceeded) as refused:
            await post(chat, room, key=key)
        assert refused.value.retry_at is None
    await end(store, first.reply, usage=TokenUsage(1, 1))
    third = await post(chat, room)
    assert [each[2] for each in left(third.allowance).values()] == [0]
    for reply in (second.reply, third.reply):
        await end(store, reply, usage=TokenUsage(300, 0))
    with pytest.raises(QuotaExceeded) as refused:
        await post(chat, room)
    midnight = datetime(2026, 3, 15, tzinfo=UTC)
    assert refused.value.retry_at == (midnight if limit == "tokens_per_day" else datetime(2026, 4, 1, tzinfo=UTC))
    assert await store.usage(room.account_id) == [DayUsage(TODAY, 3, 601, 1)]


async def test_limit_of_0_refuses_everything(store):
    with pytest.raises(QuotaExceeded):
        await post(ports(store, tokens_per_month=0), await store.new_room())


async def test_day_and_month_end_at_midnight_utc(store):
    room = await store.new_room()
    limits = {"tokens_per_day": 500, "tokens_per_month": 900}
    await end(store, (await post(ports(store, **limits), room)).reply, usage=TokenUsage(500, 0))
    tomorrow = await post(ports(store, now=TOMORROW, **limits), room)
    assert left(tomorrow.allowance)["tokens-daily"][:1] == (0,)
    assert left(tomorrow.allowance)["tokens-monthly"][:1] == (500,)
    await end(store, tomorrow.reply, usage=TokenUsage(400, 0))
    with pytest.raises(QuotaExceeded):
        await post(ports(store, now=TOMORROW, **limits), room)
    next_month = datetime(2026, 4, 1, tzinfo=UTC)
    accepted = await post(ports(store, now=next_month, **limits), room)
    assert left(accepted.allowance)["tokens-monthly"][0] == 0
    of_march = next(each for each in tomorrow.allowance.tokens if each.policy == "tokens-monthly")
    assert (of_march.begins_on, of_march.resets_at) == (TODAY.replace(day=1), next_month)


@pytest.mark.parametrize(
    ("ending", "used"),
    [
        (replace(COMPLETED, usage=TokenUsage(7, 8)), (7, 8, 0)),
        (replace(COMPLETED, spent=Spent(7, 8, 15, None)), (7, 8, 15)),
        (Ending(Status.FAILED, "", NOW), (0, 0, 0)),
        (Ending(Status.FAILED, "", NOW, spent=Spent(7, 0)), (7, 0, 0)),
        (Ending(Status.STOPPED, "So far", NOW, spent=Spent(7, 2, 9)), (7, 2, 9)),
    ],
)
async def test_every_end_returns_the_reservation_and_counts_what_was_spent(store, ending, used):
    room = await store.new_room()
    accepted = await post(ports(store, tokens_per_day=1_000), room)
    await end(store, accepted.reply, ending)
    [usage] = await store.usage(room.account_id)
    assert (usage.input_tokens, usage.output_tokens, usage.estimated_tokens) == used
    assert left(await look(store, room.account_id, tokens_per_day=1_000))["tokens-daily"][:2] == (sum(used[:2]), 0)


async def test_attempts_count_while_the_reservation_lasts(store):
    room = await store.new_room()
    accepted = await post(ports(store, tokens_per_day=1_000), room)
    for step in ("postpone", "release"):
        claim = await store.claim(accepted.reply)
        spent = Spent(5, 6, cost=70)
        async with store.chat(single=True) as unit:
            if step == "postpone":
                await unit.replies.postpone(claim, seconds=0, spent=spent)
            else:
                await unit.replies.release(claim, spent=spent)
    assert left(await look(store, room.account_id, tokens_per_day=1_000))["tokens-daily"][:2] == (22, 1 + ANSWER)
    # A worker that dies returns nothing and counts nothing; the next one finishes.
    await store.claim(accepted.reply, lease=0)
    await end(store, accepted.reply, usage=TokenUsage(5, 6))
    [usage] = await store.usage(room.account_id)
    assert (usage.tokens, usage.priced_tokens, usage.cost, usage.whole_cost) == (33, 22, 140, None)
    assert left(await look(store, room.account_id, tokens_per_day=1_000))["tokens-daily"][:2] == (33, 0)


async def test_stop_of_a_reply_that_nobody_writes_returns_the_reservation(store):
    room = await store.new_room()
    chat = ports(store, tokens_per_day=1_000)
    accepted = await post(chat, room)
    assert await end_unclaimed_reply(chat, accepted.reply.id, Ending(Status.STOPPED, "", NOW))
    assert left(await look(store, room.account_id, tokens_per_day=1_000))["tokens-daily"][:2] == (0, 0)


async def test_room_that_is_deleted_counts_what_is_being_written(store):
    room = await store.new_room()
    chat = ports(store, tokens_per_day=1_000)
    await store.claim((await post(chat, room)).reply)
    await post(chat, room)
    await delete_room(chat, account_id=room.account_id, room_id=room.id)
    assert left(await look(store, room.account_id, tokens_per_day=1_000))["tokens-daily"][:2] == (1 + ANSWER, 0)
    assert (await store.usage(room.account_id))[0].estimated_tokens == 1 + ANSWER


async def test_parallel_messages_reserve_up_to_the_limit(store):
    account_id = await store.new_account()
    rooms = [await store.new_room(account_id) for _ in range(30)]
    chat = ports(store, tokens_per_month=5 * (1 + ANSWER))
    async with asyncio.timeout(30):
        outcomes = await asyncio.gather(*(post(chat, room) for room in rooms), return_exceptions=True)
    assert Counter(map(type, outcomes)) == {Accepted: 5, QuotaExceeded: 25}
    accepted = [each.reply for each in outcomes if isinstance(each, Accepted)]
    await asyncio.gather(*(end(store, reply, usage=TokenUsage(1, 2)) for reply in accepted))
    assert left(await look(store, account_id, tokens_per_month=1))["tokens-monthly"][:2] == (15, 0)
    assert await store.usage(account_id) == [DayUsage(TODAY, 5, 5, 10)]


async def test_plan_without_limits_of_tokens_reserves_none(store):
    room = await store.new_room()
    accepted = await post(ports(store), room)
    assert accepted.allowance.tokens == ()
    assert left(await look(store, room.account_id, tokens_per_day=10))["tokens-daily"] == (0, 0, 10)


async def test_plan_of_the_moment_limits_the_next_message(store):
    room = await store.new_room()
    limits = {"tokens_per_day": 150, "max_pending_replies": 2}
    await post(ports(store, **limits), room)
    await post(ports(store, **limits), room)
    with pytest.raises(QuotaExceeded):
        await post(ports(store, **limits), room)
    await store.put_on("pro", room.account_id)
    assert (await post(ports(store, **limits), room)).allowance.tokens == ()
    await store.put_on(None, room.account_id)
    with pytest.raises(QuotaExceeded):
        await post(ports(store, **limits), room)
    with pytest.raises(TooManyPending):
        await post(ports(store, max_pending_replies=2), room)


async def test_model_that_the_plan_lacks_is_refused_and_its_default_is_another(store):
    catalogue = ModelCatalogue({"a": Provider(OfflineModel(0.0), ("large", "small"))}, default="a/large")
    chat = replace(ports(store, models=("a/s*",)), catalogue=catalogue)
    room = await store.new_room()
    assert (await post(chat, room)).reply.model == "a/small"
    with pytest.raises(ModelNotInPlan) as refused:
        await post(chat, room, model="a/large")
    assert "a/small" in refused.value.detail
    bound = await store.new_room(room.account_id, model="a/large")
    with pytest.raises(ModelNotInPlan, match="chatroom uses"):
        await post(chat, bound)
    assert (await post(chat, bound, model="a/small")).reply.model == "a/small"
    await store.put_on("pro", room.account_id)
    assert (await post(chat, bound)).reply.model == "a/large"
    assert (await post(chat, room)).reply.model == "a/large"
