"""The rooms and messages of an account, for its owner to download."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.model import Message, Room
from parley.core.chat.reply_settings import ReplySettings
from parley.core.chat.share_store import Share
from parley.core.chat.stores import ChatUnit

PAGE = 50


@dataclass(frozen=True, slots=True)
class ExportedRoom:
    """A room and its shared copy, if there is one."""

    room: Room
    share: Share | None


@dataclass(frozen=True, slots=True)
class ExportedMessage:
    """A message and what a client asked of it besides, None for nothing."""

    message: Message
    settings: ReplySettings | None


async def read_everything(
    chat: ChatPorts, *, account_id: UUID
) -> AsyncGenerator[ExportedRoom | list[ExportedMessage], None]:
    """Each room, oldest first, followed by its messages, oldest first, in lists of up to PAGE.

    Every page is a transaction of its own, so that a slow reader holds none open. What is written meanwhile may or may
    not be included; a room that is deleted meanwhile ends early.
    """
    async with chat.uow(read_only=True) as unit:
        room_ids = await unit.rooms.ids(account_id)
    for room_id in room_ids:
        async with chat.uow(read_only=True) as unit:
            room = await unit.rooms.get(room_id, account_id)
            share = await unit.shares.of_room(room_id, account_id)
            page = await _page(unit, room_id, after=0)
        if room is None:
            continue
        yield ExportedRoom(room, share)
        while page:
            yield page
            if len(page) < PAGE:
                break
            async with chat.uow(read_only=True) as unit:
                page = await _page(unit, room_id, after=page[-1].message.position)


async def _page(unit: ChatUnit, room_id: UUID, *, after: int) -> list[ExportedMessage]:
    messages = await unit.messages.after(room_id, after, limit=PAGE)
    if not messages:
        return []
    found = await unit.reply_settings.between(room_id, first=messages[0].position, last=messages[-1].position)
    return [ExportedMessage(each, _asked(found.get(each.id))) for each in messages]


def _asked(settings: ReplySettings | None) -> ReplySettings | None:
    """None for settings that ask for nothing, as those of a reply that was forgotten."""
    if settings is None or replace(settings, forgotten=False) == ReplySettings():
        return None
    return settings
