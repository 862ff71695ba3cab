"""Settings of replies, over every store."""

from uuid import uuid4

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
