"""Messages with ids of their clients, over every store."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from parley.core.chat import ChatPorts
from parley.core.chat.accepted import Accepted
from parley.core.chat.client_messages import ClientMessage, find_reply, read_client_room
from parley.core.chat.errors import MessageNotFound, RoomNotFound, TooManyPending
from parley.core.chat.messages import post_client_message, regenerate_reply
from tests.contracts.chat_fixtures import MANY, Store, every_store

store = every_store


async def say(
    chat: ChatPorts, account_id: UUID, content: str, *, id_: str = "m1", last_reply: UUID | None = None
) -> Accepted:
    client = ClientMessage("c1", id_)
    return await post_client_message(
        chat, account_id=account_id, client=client, content=content, model=None, last_reply=last_reply
    )


async def test_one_message_however_often_it_is_sent_at_once(store: Store) -> None:
    account_id, chat = await store.new_account(), store.chat_ports(limit=MANY)
    accepted = await asyncio.gather(*(say(chat, account_id, "Hello") for _ in range(8)))
    assert {each.reply.id for each in accepted} == {accepted[0].reply.id}
    assert [each.replayed for each in accepted].count(False) == 1
    [room_id] = await store.do(lambda unit: unit.rooms.ids(account_id))
    assert accepted[0].reply.room_id == room_id
    [day] = await store.usage(account_id)
    assert day.used == 1


async def test_versions_of_a_message_have_the_same_id_and_the_newest_counts(store: Store) -> None:
    account_id, chat = await store.new_account(), store.chat_ports(limit=MANY)
    first = await say(chat, account_id, "Hello")
    edited = await say(chat, account_id, "Bonjour")
    assert edited.question.external_id == first.question.external_id == "m1"
    assert (edited.question.siblings.index, edited.question.parent_id) == (1, None)
    again = await say(chat, account_id, "Bonjour")
    assert (again.replayed, again.reply.id) == (True, edited.reply.id)


async def test_the_newest_reply_is_the_one_that_a_repetition_gets(store: Store) -> None:
    account_id, chat = await store.new_account(), store.chat_ports(limit=MANY)
    first = await say(chat, account_id, "Hello")
    room_id = first.reply.room_id
    other = await regenerate_reply(
        chat, account_id=account_id, room_id=room_id, reply_id=first.reply.id, model=None, key=None
    )
    assert (await say(chat, account_id, "Hello")).reply.id == other.reply.id
    for named, last in (("m1", None), (None, "m1"), (None, None), (str(other.reply.id), None)):
        found = await find_reply(chat, account_id=account_id, chat_id="c1", message_id=named, last_question=last)
        assert found.id == other.reply.id


async def test_a_room_and_its_messages_show_the_ids(store: Store) -> None:
    account_id, chat = await store.new_account(), store.chat_ports(limit=MANY)
    accepted = await say(chat, account_id, "Hello")
    room = await read_client_room(chat, account_id=account_id, chat_id="c1")
    assert room is not None
    assert (room.external_id, room.head) == ("c1", accepted.reply.id)
    by_own_id = await read_client_room(chat, account_id=account_id, chat_id=str(room.id))
    assert by_own_id == room
    messages = await store.do(lambda unit: unit.messages.page(room.id, account_id, before=None, limit=MANY))
    assert [message.external_id for message in messages] == ["m1", None]


async def test_ids_are_those_of_an_account(store: Store) -> None:
    account_id, other, chat = await store.new_account(), await store.new_account(), store.chat_ports(limit=MANY)
    first = await say(chat, account_id, "Hello")
    await say(chat, other, "Mine")
    assert await read_client_room(chat, account_id=other, chat_id=str(first.reply.room_id)) is None
    with pytest.raises(MessageNotFound):
        await find_reply(chat, account_id=other, chat_id="c1", message_id=str(first.reply.id), last_question=None)
    with pytest.raises(RoomNotFound):
        await find_reply(chat, account_id=other, chat_id="none", message_id=None, last_question=None)


async def test_a_refused_first_message_makes_no_room(store: Store) -> None:
    account_id, chat = await store.new_account(), store.chat_ports(limit=MANY)
    full = replace(chat, limits=replace(chat.limits, max_pending=1))
    await post_client_message(
        full, account_id=account_id, client=ClientMessage("c0", "m"), content="Hello", model=None, last_reply=None
    )
    with pytest.raises(TooManyPending):
        await say(full, account_id, "Hello")
    assert await read_client_room(chat, account_id=account_id, chat_id="c1") is None


@pytest.mark.parametrize("unstorable", ["\x00", "a\ud800"])
async def test_an_id_that_cannot_be_stored_is_one_that_is_not_known(store: Store, unstorable: str) -> None:
    account_id, chat = await store.new_account(), store.chat_ports(limit=MANY)
    await say(chat, account_id, "Hello")
    assert await read_client_room(chat, account_id=account_id, chat_id=unstorable) is None
    with pytest.raises(RoomNotFound):
        await find_reply(chat, account_id=account_id, chat_id=unstorable, message_id=None, last_question=None)
    with pytest.raises(MessageNotFound):
        await find_reply(chat, account_id=account_id, chat_id="c1", message_id=unstorable, last_question=None)
