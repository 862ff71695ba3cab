"""Accepting and reading messages."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.errors import IdempotencyMismatch, MessageNotFound, RoomNotFound, TooManyPending
from parley.core.chat.model import (
    IDEMPOTENCY_KEY_CHARACTERS,
    MESSAGE_CHARACTERS,
    Allowance,
    IdempotencyKey,
    Message,
    Role,
    Room,
    Status,
    utc_day,
)
from parley.core.chat.parts import text_of
from parley.core.chat.stored_draft import parts_for_readers
from parley.core.chat.stores import Acceptance, ChatUnit
from parley.core.errors import InvalidInput
from parley.core.text import check_text, is_readable


@dataclass(frozen=True, slots=True)
class Accepted:
    """A user's message and its reply as they were when accepted, and the quota as it is now."""

    question: Message
    reply: Message
    allowance: Allowance
    replayed: bool


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages, oldest first. `next_cursor` is the position before which older ones follow; None if none do."""

    items: list[Message]
    next_cursor: int | None


async def post_message(
    chat: ChatPorts, *, account_id: UUID, room_id: UUID, content: str, model: str | None, key: str | None
) -> Accepted:
    """Accept a message for exactly one reply; with an idempotency `key`, exactly once in 24 hours.

    Raises InvalidInput, UnknownModel, RoomNotFound, QuotaExceeded, TooManyPending, IdempotencyMismatch; after any of
    them nothing has changed.
    """
    check_text("content", content, longest=MESSAGE_CHARACTERS)
    if not is_readable(content):
        raise InvalidInput("content", "must have a letter, number, punctuation mark or symbol")
    idempotency_key = None if key is None else _idempotency_key(key, content, model)
    question, reply = _exchange(chat, room_id, content, model)
    accepted = None
    if idempotency_key is None and chat.acceptance is not None:
        accepted = await _accept_at_once(chat, chat.acceptance, account_id, question, reply)
    if accepted is None:
        accepted = await _accept_in_steps(chat, account_id, question, reply, idempotency_key)
    if not accepted.replayed:
        await chat.room_list_cache.drop(account_id, meanwhile=chat.queue.put(reply.id))
    return accepted


async def _accept_at_once(
    chat: ChatPorts, acceptance: Acceptance, account_id: UUID, question: Message, reply: Message
) -> Accepted | None:
    """None, with nothing changed, for a message that may have to be refused."""
    found = await acceptance.accept(
        question,
        reply,
        account_id=account_id,
        offered=chat.catalogue.names,
        default_model=chat.catalogue.default,
        most_pending=chat.limits.max_pending,
    )
    if found is None:
        return None
    position, model, allowance = found
    return Accepted(*_placed(question, reply, position, model), allowance, replayed=False)


async def _accept_in_steps(
    chat: ChatPorts, account_id: UUID, question: Message, reply: Message, key: IdempotencyKey | None
) -> Accepted:
    now = question.created_at
    async with chat.uow() as unit:
        # Always locks the room first: this orders positions, and concurrent uses of one key.
        reserved = await unit.rooms.reserve(question.room_id, account_id, at=now)
        if reserved is None:
            raise RoomNotFound
        room, position = reserved
        if key is not None:
            first_use = await unit.idempotency_keys.remember(room.id, key, reply.id, at=now)
            if first_use is not None:
                return await _replay(unit, room, first_use, key, now)
        question, reply = _placed(question, reply, position, chat.catalogue.choose(reply.model, room.model))
        allowance = await unit.quota.take(account_id, now=now)
        max_pending = chat.limits.max_pending
        if not await unit.messages.add_exchange(
            question, reply, account_id=account_id, charged_on=utc_day(now), most_pending=max_pending
        ):
            raise TooManyPending(max_pending, allowance.with_one_back)
        await unit.commit()
    return Accepted(question, reply, allowance, replayed=False)


async def read_messages(
    chat: ChatPorts, *, account_id: UUID, room_id: UUID, before: int | None, limit: int
) -> MessagePage:
    """The newest page before a position. Raises RoomNotFound."""
    async with chat.uow(read_only=True) as unit:
        found = await unit.messages.page(room_id, account_id, before=before, limit=limit + 1)
        if not found and await unit.rooms.get(room_id, account_id) is None:
            raise RoomNotFound
    return message_page(found, limit)


async def read_message(chat: ChatPorts, *, account_id: UUID, room_id: UUID, message_id: UUID) -> Message:
    """Raises MessageNotFound, also for a message of another room or account."""
    async with chat.uow(read_only=True) as unit:
        message = await unit.messages.get(message_id, room_id, account_id)
    if message is None:
        raise MessageNotFound
    return message


async def add_parts_so_far(chat: ChatPorts, message: Message, *, account_id: UUID) -> Message:
    """A reply that is being written, with what its readers have of it; any other message as it is."""
    if message.status.ended or message.attempt == 0:
        return message
    parts = await parts_for_readers(chat, message)
    if parts:
        return replace(message, content=text_of(parts), parts=parts)
    # It may have ended since it was read, and its stream with it.
    return await read_message(chat, account_id=account_id, room_id=message.room_id, message_id=message.id)


def message_page(found: list[Message], limit: int) -> MessagePage:
    """A page of `limit` out of up to `limit + 1` messages, oldest first; one too many says that older ones exist."""
    items = found[-limit:]
    return MessagePage(items, items[0].position if len(found) > limit else None)


def _exchange(chat: ChatPorts, room_id: UUID, content: str, model: str | None) -> tuple[Message, Message]:
    """A user's message and its pending reply, which have no positions yet."""
    question_id, reply_id, now = chat.new_id(), chat.new_id(), chat.now()
    question = Message(question_id, room_id, Role.USER, content, Status.COMPLETED, now, completed_at=now)
    return question, Message(
        reply_id, room_id, Role.ASSISTANT, "", Status.PENDING, now, model=model, reply_to=question_id
    )


def _placed(question: Message, reply: Message, position: int, model: str) -> tuple[Message, Message]:
    return replace(question, position=position), replace(reply, position=position + 1, model=model)


def _idempotency_key(value: str, content: str, model: str | None) -> IdempotencyKey:
    check_text("Idempotency-Key", value, longest=IDEMPOTENCY_KEY_CHARACTERS)
    return IdempotencyKey(value, hashlib.sha256(json.dumps([content, model]).encode()).digest())


async def _replay(
    unit: ChatUnit, room: Room, first_use: tuple[UUID, bytes], key: IdempotencyKey, now: datetime
) -> Accepted:
    reply_id, fingerprint = first_use
    if fingerprint != key.fingerprint:
        raise IdempotencyMismatch
    exchange = await unit.messages.exchange(reply_id)
    if exchange is None:
        raise MessageNotFound
    question, reply = exchange
    as_accepted = replace(
        reply,
        status=Status.PENDING,
        content="",
        parts=(),
        finish_reason=None,
        usage=None,
        error=None,
        feedback=None,
        completed_at=None,
        attempt=0,
    )
    allowance = await unit.quota.look(room.account_id, now=now)
    return Accepted(question, as_accepted, allowance, replayed=True)
