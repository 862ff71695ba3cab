"""The tree of a room's messages over every store."""

import asyncio
from dataclasses import replace

import pytest

from parley.core.chat.errors import (
    IdempotencyMismatch,
    MessageNotFound,
    NotAReply,
    NotAUserMessage,
    ParentInvalid,
    RoomNotFound,
)
from parley.core.chat.tree import Siblings
from tests.contracts.chat_fixtures import COMPLETED, every_store, new_id
from tests.contracts.tree_fixtures import TreeRoom, new_tree

store = every_store


async def test_room_without_branches_is_one_line(store):
    tree = await new_tree(store)
    assert (await tree.head(), await tree.branch()) == (None, [])
    accepted = [await tree.post() for _ in range(4)]
    line = [message for each in accepted for message in (each.question, each.reply)]

    assert [message.parent_id for message in line] == [None, *(message.id for message in line[:-1])]
    assert [message.siblings for message in line] == [Siblings(0, 1, (message.id,)) for message in line]
    assert [await tree.message(message) for message in line] == line
    assert await tree.head() == line[-1].id
    for limit in (1, 2, 3, 7, 8, 9):
        assert await tree.walked(None, limit=limit) == [message.id for message in line]


async def test_edited_message_is_a_sibling_with_a_reply(store):
    tree = await new_tree(store)
    first = await tree.post("first")
    second = await tree.post("second")
    edited = await tree.edit(second.question, "second, better")
    again = await tree.edit(edited.question, "second, best")

    versions = [second.question.id, edited.question.id, again.question.id]
    assert edited.question.parent_id == again.question.parent_id == first.reply.id
    assert edited.question.siblings == Siblings(1, 2, tuple(versions[:2]))
    assert again.question.siblings == Siblings(2, 3, tuple(versions))
    assert (await tree.message(second.question)).siblings == Siblings(0, 3, tuple(versions))
    assert (again.reply.parent_id, again.reply.siblings.count) == (again.question.id, 1)
    assert await tree.head() == again.reply.id
    assert await tree.branch() == [first.question.id, first.reply.id, again.question.id, again.reply.id]
    for each in (second, edited, again):
        expected = [first.question.id, first.reply.id, each.question.id, each.reply.id]
        assert await tree.branch(each.question) == await tree.branch(each.reply) == expected
    assert (await tree.message(second.question)).content == "second"


async def test_first_messages_are_siblings(store):
    tree = await new_tree(store)
    first = await tree.post("first")
    await tree.post("on the first")
    anew = await tree.post("anew", parent=None)
    edited = await tree.edit(first.question, "first, better")

    roots = (first.question.id, anew.question.id, edited.question.id)
    assert edited.question.siblings == Siblings(2, 3, roots)
    assert [(await tree.message(each.question)).siblings.index for each in (first, anew, edited)] == [0, 1, 2]
    assert await tree.branch(anew.reply) == [anew.question.id, anew.reply.id]
    assert await tree.branch() == [edited.question.id, edited.reply.id]
    assert anew.question.parent_id is None


async def test_first_message_of_an_empty_room_may_begin_anew(store):
    tree = await new_tree(store)
    anew = await tree.post(parent=None)
    assert (anew.question.parent_id, anew.question.siblings.count) == (None, 1)
    assert await tree.branch() == [anew.question.id, anew.reply.id]


async def test_other_reply_is_a_sibling_of_the_reply(store):
    tree = await new_tree(store)
    first = await tree.post()
    behind = await tree.post()
    other = await tree.regenerate(first.reply)

    assert other.question == await tree.message(first.question)
    assert (other.reply.reply_to, other.reply.parent_id) == (first.question.id, first.question.id)
    assert other.reply.siblings == Siblings(1, 2, (first.reply.id, other.reply.id))
    assert await tree.branch() == [first.question.id, other.reply.id]
    on_other = await tree.post()
    assert on_other.question.parent_id == other.reply.id
    third = await tree.regenerate(other.reply)
    assert third.reply.siblings == Siblings(2, 3, (first.reply.id, other.reply.id, third.reply.id))
    assert await tree.branch(behind.reply) == [first.question.id, first.reply.id, behind.question.id, behind.reply.id]
    assert await tree.branch(on_other.question) == [
        first.question.id, other.reply.id, on_other.question.id, on_other.reply.id
    ]  # fmt: skip


async def test_conversation_goes_on_from_any_reply(store):
    tree = await new_tree(store)
    accepted = [await tree.post() for _ in range(3)]
    onward = await tree.post(parent=accepted[0].reply.id)
    deeper = await tree.post(parent=accepted[2].reply.id)
    at_head = await tree.post(parent=deeper.reply.id)

    assert onward.question.siblings == Siblings(1, 2, (accepted[1].question.id, onward.question.id))
    assert await tree.branch(onward.reply) == [
        accepted[0].question.id, accepted[0].reply.id, onward.question.id, onward.reply.id
    ]  # fmt: skip
    assert (deeper.question.parent_id, deeper.question.siblings.count) == (accepted[2].reply.id, 1)
    assert at_head.question.parent_id == deeper.reply.id
    assert len(await tree.branch()) == 10


async def test_any_branch_is_read_from_both_ends(store):
    tree = await new_tree(store)
    accepted = [await tree.post() for _ in range(3)]
    onward = await tree.post(parent=accepted[0].reply.id)
    line = [message.id for each in accepted for message in (each.question, each.reply)]
    aside = [*line[:2], onward.question.id, onward.reply.id]

    for last, path in ((accepted[1].question, line[:3]), (accepted[2].reply, line), (onward.question, aside[:3])):
        for limit in (2, 3, 7):
            assert await tree.walked_from("top", last=last, limit=limit) == path
            assert await tree.walked_from("bottom", last=last, limit=limit) == path[::-1]
    for limit in (2, 3, 7):
        assert await tree.walked_from("top", limit=limit) == aside
        assert await tree.walked_from("bottom", limit=limit) == aside[::-1]


async def test_a_branch_is_not_read_on_from_a_message_that_it_does_not_have(store):
    tree = await new_tree(store)
    first, second, third = [await tree.post() for _ in range(3)]
    onward = await tree.post(parent=first.reply.id)
    elsewhere = await TreeRoom(store, await store.new_room(tree.room.account_id)).post()

    for last, strange in (
        (second.question, second.reply.id),
        (second.question, third.question.id),
        (second.question, onward.question.id),
        (onward.question, second.question.id),
        (second.question, elsewhere.question.id),
        (second.question, new_id()),
    ):
        for end in ("top", "bottom"):
            with pytest.raises(MessageNotFound):
                await tree.read_from(end, last=last, after=strange)
    strangers = await new_tree(store)
    async with store.chat(read_only=True) as unit:
        for last in (None, second.question.position):
            read = unit.messages.branch_after(tree.room.id, strangers.room.account_id, after=0, last=last, limit=10)
            assert await read == []


async def test_parent_must_be_a_reply_of_the_room(store):
    tree = await new_tree(store)
    first = await tree.post()
    beside = TreeRoom(store, await store.new_room(tree.room.account_id))
    elsewhere = await beside.post()
    strange = await (await new_tree(store)).post()
    for parent, error in (
        (first.question.id, ParentInvalid),
        (elsewhere.reply.id, ParentInvalid),
        (elsewhere.question.id, ParentInvalid),
        (strange.reply.id, MessageNotFound),
        (new_id(), MessageNotFound),
    ):
        with pytest.raises(error):
            await tree.post(parent=parent)
    for message, error in (
        (first.reply, NotAUserMessage),
        (elsewhere.question, MessageNotFound),
        (strange.question, MessageNotFound),
    ):
        with pytest.raises(error):
            await tree.edit(message)
    for message, error in (
        (first.question, NotAReply),
        (elsewhere.reply, MessageNotFound),
        (strange.reply, MessageNotFound),
    ):
        with pytest.raises(error):
            await tree.regenerate(message)
        if error is MessageNotFound:
            with pytest.raises(error):
                await tree.show(message)
    assert await tree.branch() == [first.question.id, first.reply.id]
    assert (await tree.post()).question.position == 3


async def test_branch_that_is_shown_is_the_newest_below_the_message(store):
    tree = await new_tree(store)
    first = await tree.post()
    second = await tree.post()
    other = await tree.regenerate(first.reply)
    on_other = await tree.post()
    edited = await tree.edit(on_other.question)

    assert (await tree.show(second.question)).head == await tree.head() == second.reply.id
    assert await tree.branch() == [first.question.id, first.reply.id, second.question.id, second.reply.id]
    assert (await tree.show(other.reply)).head == edited.reply.id
    assert (await tree.show(on_other.reply)).head == on_other.reply.id
    onward = await tree.post()
    assert onward.question.parent_id == on_other.reply.id
    assert await tree.head() == onward.reply.id
    for message in (first.question, other.reply, on_other.question):
        assert (await tree.show(message)).head == onward.reply.id
    # Shown until a message is accepted, which is the head then.
    await tree.show(second.reply)
    again = await tree.regenerate(edited.reply)
    assert await tree.head() == again.reply.id
    with pytest.raises(RoomNotFound):
        await TreeRoom(store, replace(tree.room, id=new_id())).show(first.reply)


async def test_cursor_keeps_to_its_branch(store):
    tree = await new_tree(store)
    first = [await tree.post() for _ in range(3)]
    other = await tree.regenerate(first[1].reply)
    for _ in range(2):
        await tree.post()
    line = await tree.branch(first[2].reply)
    shown = await tree.branch()
    assert (len(line), len(shown)) == (6, 8)

    for limit in range(1, 10):
        assert await tree.walked(first[2].reply, limit=limit) == line
        assert await tree.walked(None, limit=limit) == shown
    for position, above in ((5, line[:4]), (other.reply.position, shown[:3]), (6, line[:5])):
        await tree.show(first[0].reply)
        assert await tree.branch(before=position) == above


async def test_context_of_a_reply_is_the_path_to_its_question(store):
    tree = await new_tree(store)
    accepted = [await tree.post(f"question {number}") for number in range(3)]
    for each in accepted:
        await store.end(await store.claim(each.reply), COMPLETED)
    edited = await tree.edit(accepted[1].question, "edited")
    other = await tree.regenerate(accepted[0].reply)
    onward = await tree.post("onward")
    anew = await tree.post("anew", parent=None)

    def asked(exchanges):
        return [exchange.question for exchange in exchanges]

    assert asked(await tree.context(accepted[2].reply)) == ["question 2", "question 1", "question 0"]
    assert asked(await tree.context(edited.reply)) == ["edited", "question 0"]
    assert asked(await tree.context(other.reply)) == ["question 0"]
    assert asked(await tree.context(onward.reply)) == ["onward", "question 0"]
    assert asked(await tree.context(anew.reply)) == ["anew"]
    path = await tree.context(onward.reply)
    assert [exchange.position for exchange in path] == [onward.reply.position, other.reply.position]
    assert [exchange.answer for exchange in await tree.context(edited.reply)] == [None, "An answer"]
    for limit in (1, 2):
        assert await tree.context(accepted[2].reply, limit=limit) == (await tree.context(accepted[2].reply))[:limit]
        assert await tree.context(onward.reply, limit=limit) == path[:limit]


async def test_siblings_are_those_around_the_message_50_at_most(store):
    tree = await new_tree(store)
    first = await tree.post()
    replies = [first.reply, *[(await tree.regenerate(first.reply)).reply for _ in range(60)]]
    ids = [reply.id for reply in replies]

    for index in (0, 1, 24, 25, 26, 35, 36, 37, 59, 60):
        siblings = (await tree.message(replies[index])).siblings
        assert siblings == Siblings(index, 61, tuple(ids[max(0, index - 25) : index + 25]))
    assert replies[60].siblings == Siblings(60, 61, tuple(ids[35:]))
    assert (await tree.message(first.question)).siblings.count == 1


async def test_repeated_request_shows_the_siblings_of_its_time(store):
    tree = await new_tree(store)
    first = await tree.post(key="post")
    edited = await tree.edit(first.question, key="edit")
    other = await tree.regenerate(edited.reply, key="regenerate")
    await tree.edit(first.question)
    await tree.regenerate(edited.reply)

    for original, repeated in (
        (first, await tree.post(key="post")),
        (edited, await tree.edit(first.question, key="edit")),
        (other, await tree.regenerate(edited.reply, key="regenerate")),
    ):
        assert repeated.replayed
        assert (repeated.question, repeated.reply) == (original.question, original.reply)
    assert len(await tree.branch()) == 2


async def test_key_of_another_operation_is_refused(store):
    tree = await new_tree(store)
    first = await tree.post("text", key="a key")
    second = await tree.post("text", key="another key", parent=first.reply.id)
    for again in (
        lambda: tree.edit(first.question, "text", key="a key"),
        lambda: tree.regenerate(first.reply, key="a key"),
        lambda: tree.post("text", key="a key", parent=None),
        lambda: tree.post("text", key="a key", parent=first.reply.id),
        lambda: tree.post("text", key="another key", parent=second.reply.id),
        lambda: tree.post("text", key="another key"),
    ):
        with pytest.raises(IdempotencyMismatch):
            await again()


async def test_parallel_operations_on_one_message_leave_a_tree(store):
    tree = await new_tree(store)
    first = await tree.post()
    async with asyncio.timeout(60):
        accepted = await asyncio.gather(
            *(tree.edit(first.question) for _ in range(8)),
            *(tree.regenerate(first.reply) for _ in range(8)),
            *(tree.post(parent=first.reply.id) for _ in range(8)),
            *(tree.post() for _ in range(8)),
            *(tree.show(first.question) for _ in range(4)),
        )

    edits, regenerations, onward, at_head = (accepted[start : start + 8] for start in (0, 8, 16, 24))
    for messages in (
        [first.question, *(each.question for each in edits)],
        [first.reply, *(each.reply for each in regenerations)],
    ):
        found = [await tree.message(message) for message in messages]
        assert sorted(message.siblings.index for message in found) == list(range(9))
        assert {message.siblings.count for message in found} == {9}
    children = [await tree.message(each.question) for each in onward]
    assert len({message.siblings.index for message in children}) == 8
    for each in at_head:
        branch = await tree.branch(each.reply)
        assert branch.index(each.question.id) + 1 == branch.index(each.reply.id)
