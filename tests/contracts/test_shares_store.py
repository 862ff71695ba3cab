"""Shared copies of conversations over every store."""

import asyncio
from dataclasses import replace

import pytest

from parley.core.chat.end_reply import end_unclaimed_reply
from parley.core.chat.errors import NotShared, RoomNotFound, ShareNotFound
from parley.core.chat.messages import Accepted
from parley.core.chat.model import Ending, FinishReason, Message, Role, Status
from parley.core.chat.rating import Feedback, Rating
from parley.core.chat.rooms import change_room, delete_room
from parley.core.chat.share_store import SharedMessage
from tests.contracts.chat_fixtures import COMPLETED, MANY, NOW, every_store
from tests.contracts.tree_fixtures import TreeRoom, new_tree

store = every_store
ANSWER = SharedMessage(Role.ASSISTANT, "An answer", Status.COMPLETED, "a/model", None)


def question(text: str = "A question") -> SharedMessage:
    return SharedMessage(Role.USER, text, Status.COMPLETED, None, None)


async def answered(tree: TreeRoom, accepted: Accepted, ending: Ending = COMPLETED) -> Accepted:
    await tree.store.end(await tree.store.claim(accepted.reply), ending)
    return accepted


async def stop(tree: TreeRoom, reply: Message) -> None:
    assert await end_unclaimed_reply(tree.store.chat_ports(limit=MANY), reply.id, Ending(Status.STOPPED, "", NOW))


async def test_copy_is_the_branch_that_is_shown_as_it_was_then(store):
    tree = await new_tree(store)
    first = await answered(tree, await tree.post("first"))
    edited = await answered(tree, await tree.edit(first.question, "first, better"))
    share = await tree.share()
    assert (share.title, share.created_at) == ("A room", NOW)
    assert await tree.shared() == share
    copied = [question("first, better"), ANSWER]
    assert await tree.copied() == copied

    await answered(tree, await tree.post("later"))
    await answered(tree, await tree.regenerate(edited.reply))
    await tree.show(first.reply)
    rated = Feedback(Rating.DOWN, "No")
    of_room = {"room_id": tree.room.id, "account_id": tree.room.account_id}
    await store.do(lambda unit: unit.messages.rate(edited.reply.id, **of_room, feedback=rated))
    await change_room(store.chat_ports(), **of_room, changes={"name": "Another name", "archived": True})
    assert (await tree.shared(), await tree.copied()) == (share, copied)


async def test_sharing_again_makes_a_new_copy_at_the_same_address(store):
    tree = await new_tree(store)
    await answered(tree, await tree.post("first"))
    share = await tree.share()
    await answered(tree, await tree.post("second"))
    await change_room(
        store.chat_ports(), account_id=tree.room.account_id, room_id=tree.room.id, changes={"name": "Another name"}
    )
    again = await tree.share()
    assert again == replace(share, title="Another name", last_position=4)
    assert await tree.copied(share.token) == [question("first"), ANSWER, question("second"), ANSWER]


async def test_parallel_sharing_makes_one_address(store):
    tree = await new_tree(store)
    shares = await asyncio.gather(*(tree.share() for _ in range(8)))
    assert {share.token for share in shares} == {(await tree.shared()).token}


async def test_ended_sharing_is_over_and_its_address_never_comes_back(store):
    tree = await new_tree(store)
    await answered(tree, await tree.post())
    share = await tree.share()
    for _ in range(2):
        await tree.end_sharing()
        with pytest.raises(NotShared):
            await tree.shared()
        with pytest.raises(ShareNotFound):
            await tree.copied(share.token)
    again = await tree.share()
    assert again.token != share.token
    with pytest.raises(ShareNotFound):
        await tree.copied(share.token)


async def test_copy_goes_with_its_room(store):
    tree = await new_tree(store)
    share = await tree.share()
    await delete_room(store.chat_ports(), account_id=tree.room.account_id, room_id=tree.room.id)
    with pytest.raises(ShareNotFound):
        await tree.copied(share.token)
    for use in (tree.share, tree.shared, tree.end_sharing):
        with pytest.raises(RoomNotFound):
            await use()


async def test_room_of_another_account_is_not_found(store):
    tree = await new_tree(store)
    share = await tree.share()
    strangers = TreeRoom(store, replace(tree.room, account_id=await store.new_account()))
    for use in (strangers.share, strangers.shared, strangers.end_sharing):
        with pytest.raises(RoomNotFound):
            await use()
    assert await tree.shared() == share


@pytest.mark.parametrize("token", ["", "x", "\x00" * 43, "a" * 43, "é" * 43, "a" * 65, "../" * 15])
async def test_other_tokens_are_not_found(store, token):
    tree = await new_tree(store)
    await tree.share()
    with pytest.raises(ShareNotFound):
        await tree.copied(token or "-")


async def test_empty_room_has_an_empty_copy(store):
    tree = await new_tree(store)
    await tree.share()
    await answered(tree, await tree.post())
    assert await tree.copied() == []


async def test_copy_ends_before_the_first_unfinished_reply(store):
    tree = await new_tree(store)
    waiting = await tree.post("first")
    await tree.share()
    assert await tree.copied() == [question("first")]
    later = await tree.post("second")
    await stop(tree, later.reply)
    await tree.share()
    assert await tree.copied() == [question("first")]
    await answered(tree, waiting)
    # It was copied before.
    assert await tree.copied() == [question("first")]
    await tree.share()
    stopped = SharedMessage(Role.ASSISTANT, "", Status.STOPPED, "a/model", None)
    assert await tree.copied() == [question("first"), ANSWER, question("second"), stopped]


async def test_unfinished_reply_of_another_branch_does_not_end_the_copy(store):
    tree = await new_tree(store)
    first = await answered(tree, await tree.post("first"))
    await tree.edit(first.question, "first, better")
    await tree.show(first.reply)
    await stop(tree, (await tree.post("second")).reply)
    await tree.share()
    assert [message.content for message in await tree.copied()] == ["first", "An answer", "second", ""]


async def test_copy_says_how_replies_ended(store):
    tree = await new_tree(store)
    for reason in FinishReason:
        await answered(tree, await tree.post(), replace(COMPLETED, finish_reason=reason))
    await tree.share()
    assert [message.finish_reason for message in await tree.copied()][1::2] == list(FinishReason)


async def test_branch_with_many_forks_is_read_in_pages(store):
    tree = await new_tree(store)
    accepted = await answered(tree, await tree.post("0"))
    for number in range(1, 12):
        # The older versions, which are not on the branch, have replies behind them.
        await answered(tree, await tree.post(f"{number}, first"))
        accepted = await answered(tree, await tree.post(str(number), parent=accepted.reply.id))
        accepted = await answered(tree, await tree.regenerate(accepted.reply))
    await tree.share()
    texts = [text for number in range(12) for text in (str(number), "An answer")]
    for limit in (1, 3, 23, 24, 25):
        assert [message.content for message in await tree.copied(limit=limit)] == texts
