"""Messages that a client gives for the record, over every store."""

import asyncio

import pytest

from parley.core.chat.errors import IdempotencyMismatch, NotAReply, ParentInvalid, QuotaExceeded, RoomNotFound
from parley.core.chat.given_messages import add_messages
from parley.core.chat.history import read_branch
from parley.core.chat.message_request import GivenMessage
from parley.core.chat.messages import post_message
from parley.core.chat.model import Exchange, Role, Status
from parley.core.chat.naming import Naming
from parley.core.chat.search import search
from parley.core.chat.title_rules import TitleRules
from parley.core.errors import InvalidInput
from tests.contracts.chat_fixtures import LIMIT, NOW, every_store, new_id
from tests.contracts.tree_fixtures import TreeRoom, new_tree

store = every_store
USER, ASSISTANT = Role.USER, Role.ASSISTANT


async def test_given_messages_are_the_end_of_the_branch_in_their_order(store):
    tree = await new_tree(store)
    accepted = await tree.post("0")
    added = await tree.give((USER, "1"), (ASSISTANT, "2"), (USER, "3"), (USER, "4"), (ASSISTANT, "5"), (ASSISTANT, "6"))

    assert [(each.role, each.content, each.status) for each in added] == [
        (USER, "1", Status.COMPLETED),
        (ASSISTANT, "2", Status.COMPLETED),
        (USER, "3", Status.COMPLETED),
        (USER, "4", Status.COMPLETED),
        (ASSISTANT, "5", Status.COMPLETED),
        (ASSISTANT, "6", Status.COMPLETED),
    ]
    assert {each.completed_at for each in added} == {NOW}
    assert [each.parent_id for each in added] == [accepted.reply.id, *(each.id for each in added[:-1])]
    assert [each.reply_to for each in added] == [None, added[0].id, None, None, added[3].id, None]
    assert await tree.branch() == [accepted.question.id, accepted.reply.id, *(each.id for each in added)]
    assert await tree.head() == added[-1].id
    assert [await tree.message(each) for each in added] == added
    # What a model reads of it. The first reply is unfinished: it comes before them.
    assert await tree.context(added[-1]) == [
        Exchange(8, None, "6", Status.COMPLETED),
        Exchange(7, "4", "5", Status.COMPLETED),
        Exchange(5, "3", None, Status.COMPLETED),
        Exchange(4, "1", "2", Status.COMPLETED),
        Exchange(2, "0", None, Status.PENDING),
    ]
    for limit in range(1, 6):
        assert await tree.context(added[-1], limit=limit) == (await tree.context(added[-1]))[:limit]


async def test_given_messages_cost_no_quota_and_wait_for_nothing(store):
    tree = await new_tree(store)
    await tree.give(*[(USER, "said"), (ASSISTANT, "answered")] * 4)

    assert await store.usage(tree.room.account_id) == []
    assert await store.pending(tree.room.account_id) == 0
    assert await store.overdue(patience=0) == []


async def test_given_messages_follow_the_branch_that_is_shown(store):
    tree = await new_tree(store)
    first = await tree.post("first")
    await tree.post("anew", parent=None)
    await tree.show(first.reply)
    [given] = await tree.give((USER, "on the first"))
    anew = await tree.post("anew again", parent=None)

    assert given.parent_id == first.reply.id
    assert await tree.branch(given) == [first.question.id, first.reply.id, given.id]
    [fork] = await tree.give((ASSISTANT, "behind the newest"))
    assert fork.parent_id == anew.reply.id


async def test_message_of_a_user_can_be_edited_and_followed_wherever_it_is(store):
    tree = await new_tree(store)
    first, second = await tree.give((USER, "first"), (USER, "second"))
    edited = await tree.edit(second, "second, better")
    assert edited.question.parent_id == first.id
    assert edited.question.siblings.count == 2
    followed = await tree.post("third")
    assert await tree.branch() == [
        first.id, edited.question.id, edited.reply.id, followed.question.id, followed.reply.id
    ]  # fmt: skip
    await tree.show(second)
    behind = await tree.post("behind the second")
    assert behind.question.parent_id == second.id


async def test_parent_that_is_named_is_still_a_reply(store):
    tree = await new_tree(store)
    reply, asked = await tree.give((ASSISTANT, "hello"), (USER, "asked"))
    with pytest.raises(ParentInvalid):
        await tree.post("more", parent=asked.id)
    assert (await tree.post("more", parent=reply.id)).question.parent_id == reply.id


async def test_only_an_answer_can_be_given_again(store):
    tree = await new_tree(store)
    greeting, _, answer = await tree.give((ASSISTANT, "hello"), (USER, "asked"), (ASSISTANT, "answered"))
    again = await tree.regenerate(answer)
    assert (again.question.content, again.reply.siblings.count) == ("asked", 2)
    with pytest.raises(NotAReply):
        await tree.regenerate(greeting)


async def test_messages_before_another_one_are_added_with_it_or_not_at_all(store):
    tree = await new_tree(store)
    earlier = [(USER, "1"), (ASSISTANT, "2"), (USER, "3")]
    accepted = await tree.post("4", before=earlier)
    assert [each.content for each in await tree.before(accepted.question, limit=10)] == ["1", "2", "3"]
    assert (await store.usage(tree.room.account_id))[0].used == 1

    for _ in range(LIMIT - 1):
        await tree.post()
    before = await tree.branch()
    with pytest.raises(QuotaExceeded):
        await post_message(
            store.chat_ports(limit=LIMIT),
            account_id=tree.room.account_id,
            room_id=tree.room.id,
            content="6",
            model=None,
            key=None,
            before=[GivenMessage(USER, "5")],
        )
    assert await tree.branch() == before


async def test_same_message_behind_others_is_another_request(store):
    tree = await new_tree(store)
    once = await tree.post("asked", before=[(USER, "before")], key="key")
    again = await tree.post("asked", before=[(USER, "before")], key="key")
    assert (again.replayed, again.reply.id) == (True, once.reply.id)
    for before in ([], [(ASSISTANT, "before")], [(USER, "other")]):
        with pytest.raises(IdempotencyMismatch):
            await tree.post("asked", before=before, key="key")


async def test_concurrent_calls_are_not_mixed(store):
    tree = await new_tree(store)
    await asyncio.gather(*(tree.give(*[(USER, f"{number}")] * 3) for number in range(4)), tree.post("asked"))

    ids = await tree.branch()
    assert len(ids) == 14
    page = await read_branch(
        store.chat_ports(), account_id=tree.room.account_id, room_id=tree.room.id, before=None, limit=20
    )
    texts = [each.content for each in page.items]
    for number in range(4):
        at = texts.index(f"{number}")
        assert texts[at : at + 3] == [f"{number}"] * 3


async def test_given_messages_are_found_by_search(store):
    tree = await new_tree(store)
    _, answer = await tree.give((USER, "Where is it warm?"), (ASSISTANT, "Lisbon is pleasant."))
    page = await search(store.chat_ports(), account_id=tree.room.account_id, query="pleasant", after=None, limit=10)
    assert [each.message and each.message.id for each in page.items] == [answer.id]


async def test_no_messages_or_too_many_or_empty_ones_are_refused(store):
    tree = await new_tree(store)
    for messages, field in (
        ([], "items"),
        ([GivenMessage(USER, "one")] * 201, "items"),
        ([GivenMessage(USER, "one"), GivenMessage(ASSISTANT, " ")], r"items\[1\]\.content"),
        ([GivenMessage(USER, "x" * 32_001)], r"items\[0\]\.content"),
        ([GivenMessage(USER, "\x00x")], r"items\[0\]\.content"),
    ):
        with pytest.raises(InvalidInput, match=rf"^{field}: "):
            await add_messages(
                store.chat_ports(),
                account_id=tree.room.account_id,
                room_id=tree.room.id,
                messages=messages,
                field="items",
            )
    assert await tree.branch() == []


async def test_room_of_another_account_is_not_found(store):
    tree = await new_tree(store)
    with pytest.raises(RoomNotFound):
        await add_messages(
            store.chat_ports(), account_id=new_id(), room_id=tree.room.id, messages=[GivenMessage(USER, "one")]
        )
    assert await tree.branch() == []


@pytest.mark.parametrize("are_written", [True, False])
async def test_room_without_a_name_gets_that_of_the_first_message_of_a_user(store, are_written):
    room = await store.new_room(name="New chat", naming=Naming.NONE)
    chat = store.chat_ports(titles=TitleRules(are_written=are_written))
    ids = {"account_id": room.account_id, "room_id": room.id}
    for role, text, name in (
        (ASSISTANT, "Hello", "New chat"),
        (USER, "Where is it warm?", "Where is it warm?"),
        (USER, "And where cold?", "Where is it warm?"),
    ):
        await add_messages(chat, messages=[GivenMessage(role, text)], **ids)
        found = await store.see(lambda unit: unit.rooms.get(room.id, room.account_id))
        assert found.name == name
    assert found.naming is (Naming.FIRST_WORDS if are_written else Naming.FINAL)


async def test_room_is_named_by_what_is_said_first(store):
    room = await store.new_room(name="New chat", naming=Naming.NONE)
    await TreeRoom(store, room).post("second", before=[(ASSISTANT, "hello"), (USER, "first")])
    found = await store.see(lambda unit: unit.rooms.get(room.id, room.account_id))
    assert found.name == "first"
