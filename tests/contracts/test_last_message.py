"""The contract of the stores of rooms: the newest message that a room shows."""

from dataclasses import replace

import pytest

from parley.core.chat.model import LAST_MESSAGE_CHARACTERS, Ending, Message, Room, Status
from parley.core.chat.parts import Part, PartKind
from tests.contracts.chat_fixtures import NOW, Store, every_store
from tests.contracts.tree_fixtures import TreeRoom, new_tree

store = every_store

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


async def shown(store: Store, room: Room) -> tuple[str | None, bool]:
    """The text, and whether a reply is awaited; the same wherever the room is read."""
    in_list = await store.see(lambda unit: unit.rooms.page(room.account_id, after=None, limit=10))
    by_id = await store.see(lambda unit: unit.rooms.many([room.id], room.account_id))
    found = await store.see(lambda unit: unit.rooms.get(room.id, room.account_id))
    assert found is not None
    assert by_id[room.id] == found
    assert found in in_list
    return found.last_message, found.awaited


async def ended(store: Store, reply: Message, status: Status, content: str = "") -> None:
    assert await store.end(await store.claim(reply), Ending(status, content, NOW))


async def test_an_empty_room_has_no_last_message(store):
    assert await shown(store, await store.new_room()) == (None, False)


@pytest.mark.parametrize(
    ("status", "content", "expected"),
    [
        (Status.COMPLETED, "An answer", "An answer"),
        (Status.STOPPED, "An ans", "An ans"),
        (Status.STOPPED, "", "A question"),
        (Status.FAILED, "An ans", "An ans"),
        (Status.FAILED, "", "A question"),
    ],
)
async def test_it_is_the_question_until_its_reply_has_ended_with_text(store, status, content, expected):
    tree = await new_tree(store)
    reply = (await tree.post()).reply
    assert await shown(store, tree.room) == ("A question", True)
    claim = await store.claim(reply)
    assert await store.do(lambda unit: unit.replies.store_draft(claim, (Part(PartKind.TEXT, "A draft"),)))
    assert await shown(store, tree.room) == ("A question", True)

    assert await store.end(claim, Ending(status, content, NOW))

    assert await shown(store, tree.room) == (expected, False)


async def test_reasoning_is_no_text(store):
    tree = await new_tree(store)
    reply = (await tree.post()).reply
    parts = (Part(PartKind.REASONING, "Hm."), Part(PartKind.TEXT, "An answer"))
    await store.end(await store.claim(reply), replace(Ending(Status.COMPLETED, "An answer", NOW), parts=parts))

    assert await shown(store, tree.room) == ("An answer", False)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("x" * 32_000, "x" * LAST_MESSAGE_CHARACTERS),
        ("x" * LAST_MESSAGE_CHARACTERS, "x" * LAST_MESSAGE_CHARACTERS),
        ("\U0001f600" * 300, "\U0001f600" * LAST_MESSAGE_CHARACTERS),
        ("日本語\n" * 100, ("日本語\n" * 100)[:LAST_MESSAGE_CHARACTERS]),
        ("x" * 198 + FAMILY, "x" * 198),
        (FAMILY, FAMILY),
        (" -+'quoted\" %s :x", " -+'quoted\" %s :x"),
    ],
    ids=["long", "exactly", "astral", "lines", "cluster", "short", "any"],
)
async def test_it_is_the_beginning_of_a_long_text(store, content, expected):
    tree = await new_tree(store)
    reply = (await tree.post(content)).reply
    assert await shown(store, tree.room) == (expected, True)

    await ended(store, reply, Status.COMPLETED, content)

    assert await shown(store, tree.room) == (expected, False)


async def test_it_is_of_the_branch_that_is_shown(store):
    tree = await new_tree(store)
    first = await tree.post()
    await ended(store, first.reply, Status.COMPLETED, "An answer")
    edited = await tree.edit(first.question)
    assert await shown(store, tree.room) == ("A better question", True)
    await ended(store, edited.reply, Status.COMPLETED, "A better answer")
    assert await shown(store, tree.room) == ("A better answer", False)
    other = await tree.regenerate(first.reply)
    assert await shown(store, tree.room) == ("A question", True)

    room = await tree.show(edited.question)
    assert (room.last_message, room.awaited) == ("A better answer", False)
    await ended(store, other.reply, Status.COMPLETED, "Another answer")
    assert await shown(store, tree.room) == ("A better answer", False)
    await tree.show(other.reply)
    assert await shown(store, tree.room) == ("Another answer", False)


async def test_each_room_shows_its_own(store):
    first, second = await new_tree(store), await new_tree(store)
    beside = TreeRoom(store, await store.new_room(first.room.account_id))
    await first.post("The first")
    await second.post("The second")

    assert await shown(store, first.room) == ("The first", True)
    assert await shown(store, second.room) == ("The second", True)
    assert await shown(store, beside.room) == (None, False)
