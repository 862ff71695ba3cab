"""Settings of replies, over every store."""

from typing import Any
from uuid import UUID, uuid4

from parley.core.chat.model_options import ModelOptions
from parley.core.chat.reply_requests import forget_reply, request_reply
from parley.core.chat.reply_settings import ReplySettings
from parley.core.chat.rooms import delete_room
from tests.contracts.chat_fixtures import LONG, MANY, Store, every_store

store = every_store
SETTINGS = ReplySettings(
    "Be «brief».", ModelOptions(temperature=0.5, stop=("END",)), (("topic", "a 'word'"), ("a", "")), in_background=True
)


async def test_they_come_with_the_claim_and_are_gone_with_their_room(store: Store) -> None:
    account_id, chat = await store.new_account(), store.chat_ports(limit=MANY)
    accepted = await request_reply(chat, account_id=account_id, content="Hello", model=None, settings=SETTINGS)
    reply = accepted.reply
    assert await store.do(lambda unit: unit.reply_settings.get(reply.id)) == SETTINGS
    claim = await store.do(lambda unit: unit.replies.claim(reply.id, lease=LONG))
    assert claim is not None
    assert claim.settings == SETTINGS
    await delete_room(chat, account_id=account_id, room_id=reply.room_id)
    assert await store.do(lambda unit: unit.reply_settings.get(reply.id)) == ReplySettings()


async def test_a_forgotten_reply_is_written_with_its_settings(store: Store) -> None:
    account_id, chat = await store.new_account(), store.chat_ports(limit=MANY)
    accepted = await request_reply(chat, account_id=account_id, content="Hello", model=None, settings=SETTINGS)
    await forget_reply(chat, account_id=account_id, reply_id=accepted.reply.id)
    claim = await store.do(lambda unit: unit.replies.claim(accepted.reply.id, lease=LONG))
    assert claim is not None
    assert claim.settings is not None
    assert (claim.settings.instructions, claim.settings.forgotten) == ("Be «brief».", True)


async def test_a_reply_without_any_has_the_default_ones(store: Store) -> None:
    assert await store.do(lambda unit: unit.reply_settings.get(uuid4())) == ReplySettings()


async def test_those_of_a_stretch_of_a_room_are_read_by_reply(store: Store) -> None:
    account_id, chat = await store.new_account(), store.chat_ports(limit=MANY)
    asked: dict[str, Any] = {"account_id": account_id, "content": "Hello", "model": None}
    first = (await request_reply(chat, settings=SETTINGS, **asked)).reply
    others = [ReplySettings(metadata=(("number", str(number)),), after=first.id) for number in range(3)]
    replies = [(await request_reply(chat, settings=each, **asked)).reply for each in others]
    _, without = await store.new_exchange(await store.new_room(account_id))
    elsewhere = (await request_reply(chat, settings=SETTINGS, **asked)).reply

    async def between(room_id: UUID, first: int, last: int) -> dict[UUID, ReplySettings]:
        return await store.see(lambda unit: unit.reply_settings.between(room_id, first=first, last=last))

    assert await between(first.room_id, 1, 8) == {first.id: SETTINGS} | {
        reply.id: each for reply, each in zip(replies, others, strict=True)
    }
    assert await between(first.room_id, 4, 7) == {replies[0].id: others[0], replies[1].id: others[1]}
    assert await between(without.room_id, 1, 2) == {}
    assert await between(elsewhere.room_id, 1, 8) == {elsewhere.id: SETTINGS}
