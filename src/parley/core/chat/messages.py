"""Accepting messages: new ones, edited ones, and other replies."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.acceptance import Acceptance
from parley.core.chat.allowance import Allowance
from parley.core.chat.days import utc_day
from parley.core.chat.errors import (
    MessageNotFound,
    NotAReply,
    NotAUserMessage,
    ParentInvalid,
    QuotaExceeded,
    RoomNotFound,
    TooManyPending,
)
from parley.core.chat.model import (
    IDEMPOTENCY_KEY_CHARACTERS,
    MESSAGE_CHARACTERS,
    Charge,
    IdempotencyKey,
    Message,
    Role,
    Room,
    Status,
)
from parley.core.chat.naming import Naming, first_words
from parley.core.chat.outgoing import tell_quota_exceeded
from parley.core.chat.replay import replay
from parley.core.chat.reservation import reserve_tokens, tokens_of_branch
from parley.core.chat.stores import ChatUnit
from parley.core.chat.tree import Head
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
class _Request:
    """What is to be accepted from an account: a reply and, unless `question` is None, the message that it answers.

    They are complete except for what depends on the room. `sibling_of` is the message that is edited, or the reply
    beside which another one is wanted.
    """

    account_id: UUID
    question: Message | None
    reply: Message
    key: IdempotencyKey | None
    parent: UUID | Head | None = Head.SHOWN
    sibling_of: UUID | None = None


async def post_message(
    chat: ChatPorts,
    *,
    account_id: UUID,
    room_id: UUID,
    content: str,
    model: str | None,
    key: str | None,
    parent: UUID | Head | None = Head.SHOWN,
) -> Accepted:
    """Accept a message for exactly one reply; with an idempotency `key`, exactly once in 24 hours.

    `parent` is the reply to go on from, None to begin anew, or the room's head.

    Raises InvalidInput, UnknownModel, ModelNotInPlan, RoomNotFound, MessageNotFound for an unknown parent and
    ParentInvalid for one that is no reply of the room, QuotaExceeded, TooManyPending, IdempotencyMismatch; after any of
    them nothing has changed.
    """
    _check(content)
    body = [content, model] if isinstance(parent, Head) else [content, model, None if parent is None else str(parent)]
    question, reply = _exchange(chat, room_id, content, model)
    if isinstance(parent, UUID):
        question = replace(question, parent_id=parent)
    request = _Request(account_id, question, reply, _idempotency_key(key, body), parent)
    accepted = None
    if chat.acceptance is not None and parent is not None:
        accepted = await _accept_at_once(chat, chat.acceptance, request)
    return await _announced(chat, request, accepted or await _accept_in_steps(chat, request))


async def edit_message(
    chat: ChatPorts,
    *,
    account_id: UUID,
    room_id: UUID,
    message_id: UUID,
    content: str,
    model: str | None,
    key: str | None,
) -> Accepted:
    """Accept another version of a user's message, as its sibling. Otherwise as `post_message`.

    Raises MessageNotFound and NotAUserMessage instead of what concerns a parent.
    """
    _check(content)
    question, reply = _exchange(chat, room_id, content, model)
    idempotency_key = _idempotency_key(key, ["edit", str(message_id), content, model])
    request = _Request(account_id, question, reply, idempotency_key, sibling_of=message_id)
    return await _announced(chat, request, await _accept_in_steps(chat, request))


async def regenerate_reply(
    chat: ChatPorts, *, account_id: UUID, room_id: UUID, reply_id: UUID, model: str | None, key: str | None
) -> Accepted:
    """Accept another reply to the message that the reply answers, whatever the reply's status. As `edit_message`.

    Raises NotAReply instead of NotAUserMessage.
    """
    reply = Message(chat.new_id(), room_id, Role.ASSISTANT, "", Status.PENDING, chat.now(), model=model)
    idempotency_key = _idempotency_key(key, ["regenerate", str(reply_id), model])
    request = _Request(account_id, None, reply, idempotency_key, sibling_of=reply_id)
    return await _announced(chat, request, await _accept_in_steps(chat, request))


async def _announced(chat: ChatPorts, request: _Request, accepted: Accepted) -> Accepted:
    if not accepted.replayed:
        await chat.room_list_cache.drop(request.account_id, meanwhile=chat.queue.put(accepted.reply.id))
    return accepted


async def _accept_at_once(chat: ChatPorts, acceptance: Acceptance, request: _Request) -> Accepted | None:
    """None, with nothing changed, for a message that may have to be refused."""
    question, reply = request.question, request.reply
    if question is None:
        return None
    found = await acceptance.accept(
        question,
        reply,
        account_id=request.account_id,
        key=request.key,
        catalogue=chat.catalogue,
        most_pending=chat.limits.max_pending,
        estimates=chat.estimates,
    )
    return None if found is None else Accepted(*found, replayed=False)


async def _accept_in_steps(chat: ChatPorts, request: _Request) -> Accepted:
    try:
        return await _accept_or_refuse(chat, request)
    except QuotaExceeded as refusal:
        policy, limit, at = refusal.policy, refusal.limit, request.reply.created_at
        await tell_quota_exceeded(chat, request.account_id, policy=policy, limit=limit, at=at)
        raise


async def _accept_or_refuse(chat: ChatPorts, request: _Request) -> Accepted:
    account_id, now = request.account_id, request.reply.created_at
    async with chat.uow() as unit:
        # Always locks the room first: this orders positions, and concurrent uses of one key.
        positions = 1 if request.question is None else 2
        reserved = await unit.rooms.reserve(request.reply.room_id, account_id, at=now, positions=positions)
        if reserved is None:
            raise RoomNotFound
        room, position = reserved
        if request.key is not None:
            first_use = await unit.idempotency_keys.remember(room.id, request.key, request.reply.id, at=now)
            if first_use is not None:
                return Accepted(*await replay(unit, room, first_use, request.key, now), replayed=True)
        parent = await _parent(unit, request)
        plan, allowance = await unit.quota.take(account_id, now=now)
        model = chat.catalogue.choose(request.reply.model, room.model, plan)
        asked = request.question or (parent if isinstance(parent, Message) else None)
        read = partial(tokens_of_branch, chat, unit, room, parent, asked, before=position)
        allowance, tokens = await reserve_tokens(chat, unit, plan, allowance, account_id=account_id, now=now, read=read)
        max_pending = plan.max_pending_replies or chat.limits.max_pending
        charge = Charge(utc_day(now), tokens, plan.name)
        added = await _add(
            unit, request, parent, position=position, model=model, charge=charge, most_pending=max_pending
        )
        if added is None:
            raise TooManyPending(max_pending, allowance.with_one_back)
        if room.naming is Naming.NONE and request.question is not None:
            await _name(chat, unit, room, request.question.content)
        await unit.commit()
    return Accepted(*added, allowance, replayed=False)


async def _name(chat: ChatPorts, unit: ChatUnit, room: Room, content: str) -> None:
    """Give the room, which is locked, the first words of its first message."""
    naming = Naming.FIRST_WORDS if chat.titles.are_written else Naming.FINAL
    named = replace(room, name=first_words(content), naming=naming)
    await unit.rooms.save(named, fields=frozenset({"name", "naming"}))


async def _add(
    unit: ChatUnit,
    request: _Request,
    parent: Message | Head | None,
    *,
    position: int,
    model: str,
    charge: Charge,
    most_pending: int,
) -> tuple[Message, Message] | None:
    account_id = request.account_id
    reply = replace(request.reply, model=model)
    if request.question is not None:
        return await unit.messages.add_exchange(
            replace(request.question, position=position),
            replace(reply, position=position + 1),
            account_id=account_id,
            charge=charge,
            most_pending=most_pending,
            after=parent.position if isinstance(parent, Message) else parent,
        )
    if not isinstance(parent, Message):
        raise TypeError("a reply has a parent")
    added = await unit.messages.add_reply(
        replace(reply, position=position, reply_to=parent.id, parent_id=parent.id),
        account_id=account_id,
        charge=charge,
        most_pending=most_pending,
        after=parent.position,
    )
    return None if added is None else (parent, added)


async def _parent(unit: ChatUnit, request: _Request) -> Message | Head | None:
    """The parent of the first message that is to be added."""
    if request.sibling_of is not None:
        sibling = await _found(unit, request, request.sibling_of)
        if request.question is None and sibling.role is not Role.ASSISTANT:
            raise NotAReply
        if request.question is not None and sibling.role is not Role.USER:
            raise NotAUserMessage
        return None if sibling.parent_id is None else await _found(unit, request, sibling.parent_id)
    if request.parent is None or isinstance(request.parent, Head):
        return request.parent
    parent = await unit.messages.get(request.parent, request.reply.room_id, request.account_id)
    if parent is None and await unit.messages.owner(request.parent) != request.account_id:
        raise MessageNotFound
    if parent is None or parent.role is not Role.ASSISTANT:
        raise ParentInvalid
    return parent


async def _found(unit: ChatUnit, request: _Request, message_id: UUID) -> Message:
    message = await unit.messages.get(message_id, request.reply.room_id, request.account_id)
    if message is None:
        raise MessageNotFound
    return message


def _check(content: str) -> None:
    check_text("content", content, longest=MESSAGE_CHARACTERS)
    if not is_readable(content):
        raise InvalidInput("content", "must have a letter, number, punctuation mark or symbol")


def _exchange(chat: ChatPorts, room_id: UUID, content: str, model: str | None) -> tuple[Message, Message]:
    """A user's message and its pending reply, which have no positions yet."""
    question_id, reply_id, now = chat.new_id(), chat.new_id(), chat.now()
    question = Message(question_id, room_id, Role.USER, content, Status.COMPLETED, now, completed_at=now)
    return question, Message(
        reply_id, room_id, Role.ASSISTANT, "", Status.PENDING, now, model=model, reply_to=question_id
    )


def _idempotency_key(value: str | None, body: Sequence[str | None]) -> IdempotencyKey | None:
    """The key with a fingerprint of the request. A message to the head has the one of its content and model alone."""
    if value is None:
        return None
    check_text("Idempotency-Key", value, longest=IDEMPOTENCY_KEY_CHARACTERS)
    return IdempotencyKey(value, hashlib.sha256(json.dumps(body).encode()).digest())
