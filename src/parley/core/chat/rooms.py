"""Creating, reading, changing and deleting rooms."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.errors import PlanRoomsUsed, RoomNotFound, TooManyInstructions, TooManyRooms
from parley.core.chat.history import MessagePage, message_page, newest_below
from parley.core.chat.metadata import check_metadata
from parley.core.chat.model import ROOM_NAME_CHARACTERS, Room
from parley.core.chat.naming import NEW_ROOM_NAME, Naming
from parley.core.chat.stores import ChatUnit
from parley.core.plans import Plan
from parley.core.text import check_text

INSTRUCTIONS_CHARACTERS = 32_000
LATEST_MESSAGES = 50


async def create_room(
    chat: ChatPorts, *, account_id: UUID, name: str | None, model: str | None, instructions: str | None
) -> Room:
    """Without a name it is called NEW_ROOM_NAME until its first message.

    Raises InvalidInput for a bad name or instructions, UnknownModel, TooManyRooms, TooManyInstructions; ModelNotInPlan
    or PlanRoomsUsed for what another plan may have.
    """
    now = chat.now()
    room = Room(
        chat.new_id(),
        account_id,
        NEW_ROOM_NAME if name is None else name,
        model,
        instructions,
        created_at=now,
        active_at=now,
        naming=Naming.NONE if name is None else Naming.USER,
    )
    _check_texts(room)
    async with chat.uow() as unit:
        if model is not None:
            chat.catalogue.check(model, await unit.quota.plan(account_id, now=now))
        await add_new_room(chat, unit, room)
        await unit.commit()
    await chat.room_list_cache.drop(account_id)
    return room


async def read_room(chat: ChatPorts, *, account_id: UUID, room_id: UUID) -> tuple[Room, MessagePage]:
    """The room with the latest LATEST_MESSAGES messages of the branch that is shown. Raises RoomNotFound."""
    async with chat.uow(read_only=True) as unit:
        room = await unit.rooms.get(room_id, account_id)
        if room is None:
            raise RoomNotFound
        found = await unit.messages.branch_to(room_id, account_id, last=None, limit=LATEST_MESSAGES + 1)
    return room, message_page(found, LATEST_MESSAGES)


async def find_room(chat: ChatPorts, *, account_id: UUID, room_id: UUID) -> Room:
    """The room without messages. Raises RoomNotFound."""
    async with chat.uow(read_only=True) as unit:
        room = await unit.rooms.get(room_id, account_id)
    if room is None:
        raise RoomNotFound
    return room


async def change_room(chat: ChatPorts, *, account_id: UUID, room_id: UUID, changes: Mapping[str, Any]) -> Room:
    """Change those of name, model, instructions, pinned, archived and metadata that `changes` contains.

    None clears model and instructions. A name that the account gives is never replaced by a title.

    Raises RoomNotFound, InvalidInput, UnknownModel, ModelNotInPlan, TooManyInstructions.
    """
    async with chat.uow() as unit:
        if changes.get("instructions") is not None:
            await unit.rooms.lock_account(account_id)
        found = await unit.rooms.get(room_id, account_id)
        if found is None:
            raise RoomNotFound
        if "name" in changes:
            changes = {**changes, "name": changes["name"] or "", "naming": Naming.USER}
        room = replace(found, **changes)
        _check_texts(room)
        # A model that is no longer on offer must not keep its room from being renamed.
        if changes.get("model") is not None:
            chat.catalogue.check(changes["model"], await unit.quota.plan(account_id, now=chat.now()))
        if not await unit.rooms.save(room, fields=frozenset(changes)):
            raise RoomNotFound
        if changes.get("instructions") is not None:
            await _check_instructions(chat, unit, room)
        await unit.commit()
    await chat.room_list_cache.drop(account_id)
    return room


async def show_branch(chat: ChatPorts, *, account_id: UUID, room_id: UUID, message_id: UUID) -> Room:
    """Make the newest message among this one and its descendants the head. Raises RoomNotFound, MessageNotFound."""
    async with chat.uow() as unit:
        if not await unit.rooms.lock(room_id, account_id):
            raise RoomNotFound
        head = await newest_below(unit, account_id=account_id, room_id=room_id, message_id=message_id)
        await unit.rooms.show(room_id, position=head)
        room = await unit.rooms.get(room_id, account_id)
        if room is None:
            raise RoomNotFound
        await unit.commit()
    await chat.room_list_cache.drop(account_id)
    return room


async def delete_room(chat: ChatPorts, *, account_id: UUID, room_id: UUID) -> None:
    """Delete the room and its messages; replies in progress are abandoned. Raises RoomNotFound.

    What those have reserved counts as spent, as their models may have written most of it.
    """
    async with chat.uow() as unit:
        if chat.plans.every.limits_tokens and await unit.rooms.lock(room_id, account_id):
            await unit.quota.abandon(room_id)
        if not await unit.rooms.delete(room_id, account_id):
            raise RoomNotFound
        await unit.commit()
    await chat.room_list_cache.drop(account_id, chat.open_rooms.announce(room_id))


async def add_room(chat: ChatPorts, unit: ChatUnit, room: Room, plan: Plan) -> None:
    """Add the room to those of its account. Raises PlanRoomsUsed, or TooManyRooms on a plan that says nothing."""
    if plan.max_rooms is None and not await unit.rooms.add(room, most=chat.room_limits.rooms):
        raise TooManyRooms(chat.room_limits.rooms)
    if plan.max_rooms is not None and not await unit.rooms.add(room, most=plan.max_rooms):
        raise PlanRoomsUsed(plan)


async def add_new_room(chat: ChatPorts, unit: ChatUnit, room: Room) -> None:
    """Raises InvalidInput for its instructions, PlanRoomsUsed, TooManyRooms, TooManyInstructions."""
    _check_texts(room)
    await add_room(chat, unit, room, await unit.quota.plan(room.account_id, now=room.created_at))
    await _check_instructions(chat, unit, room)


async def _check_instructions(chat: ChatPorts, unit: ChatUnit, room: Room) -> None:
    """Raises TooManyInstructions if the account has too many with those that this unit of work has written."""
    most = chat.room_limits.instruction_bytes
    if room.instructions is not None and await unit.rooms.instruction_bytes(room.account_id) > most:
        raise TooManyInstructions(most)


def _check_texts(room: Room) -> None:
    check_metadata(room.metadata)
    check_text("name", room.name, longest=ROOM_NAME_CHARACTERS)
    if room.instructions is not None:
        check_text("instructions", room.instructions, longest=INSTRUCTIONS_CHARACTERS)
