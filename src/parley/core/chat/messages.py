"""Accepting messages: new ones, edited ones, and other replies."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.acceptance import Acceptance
from parley.core.chat.accepted import Accepted, accepted_before, idempotency_key
from parley.core.chat.client_messages import ClientMessage, newest_reply, said_before
from parley.core.chat.days import utc_day
from parley.core.chat.errors import (
    IdempotencyMismatch,
    MessageNotFound,
    NotAReply,
    NotAUserMessage,
    ParentInvalid,
    QuotaExceeded,
    RoomNotFound,
    TooManyPending,
)
from parley.core.chat.given_messages import check_given, name_room, store_before
from parley.core.chat.message_request import GivenMessage, MessageRequest, check_content, new_exchange
from parley.core.chat.model import Charge, Message, Role, Room, Status
from parley.core.chat.outgoing import report_quota_exceeded
from parley.core.chat.reservation import reserve_tokens, tokens_of_branch
from parley.core.chat.room_of_request import in_its_room
from parley.core.chat.stores import ChatUnit
from parley.core.chat.tree import Head


async def post_message(
    chat: ChatPorts,
    *,
    account_id: UUID,
    room_id: UUID,
    content: str,
    model: str | None,
    key: str | None,
    parent: UUID | Head | None = Head.SHOWN,
    before: Sequence[GivenMessage] = (),
) -> Accepted:
    """Accept a message for exactly one reply; with an idempotency `key`, exactly once in 24 hours.

    `parent` is the reply to go on from, None to begin anew, or the room's head. The messages of `before`, which cost
    nothing, are added between it and this one.

    Raises InvalidInput, UnknownModel, ModelNotInPlan, RoomNotFound, MessageNotFound for an unknown parent and
    ParentInvalid for one that is no reply of the room, QuotaExceeded, TooManyPending, IdempotencyMismatch; after any of
    them nothing has changed.
    """
    check_content(content)
    if before:
        check_given(before, "before")
    body = [content, model] if isinstance(parent, Head) else [content, model, None if parent is None else str(parent)]
    body += [text for given in before for text in (given.role.value, given.content)]
    question, reply = new_exchange(chat, room_id, content, model)
    if isinstance(parent, UUID):
        question = replace(question, parent_id=parent)
    request = MessageRequest(account_id, question, reply, idempotency_key(key, body), parent, before=before)
    accepted = None
    if chat.acceptance is not None and parent is not None and not before:
        accepted = await _accept_at_once(chat, chat.acceptance, request)
    return await announced(chat, request, accepted or await accept_in_steps(chat, request))


async def post_client_message(
    chat: ChatPorts,
    *,
    account_id: UUID,
    client: ClientMessage,
    content: str,
    model: str | None,
    last_reply: UUID | None,
) -> Accepted:
    """Accept a message with ids that its client made: once, however often it is sent, and whenever.

    Another content with the same id is another version of the message, as in `edit_message`. The room is made if there
    is none. The parent is `last_reply` if the room has that reply, else the head. Raises as `post_message`, and
    as `create_room` for one room too many.
    """
    client.check()
    check_content(content)
    question, reply = new_exchange(chat, chat.new_id(), content, model)
    request = MessageRequest(account_id, question, reply, None, last_reply or Head.SHOWN, client=client)
    accepted = await announced(chat, request, await accept_in_steps(chat, request))
    return replace(accepted, question=replace(accepted.question, external_id=client.id))


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
    check_content(content)
    question, reply = new_exchange(chat, room_id, content, model)
    same = idempotency_key(key, ["edit", str(message_id), content, model])
    request = MessageRequest(account_id, question, reply, same, sibling_of=message_id)
    return await announced(chat, request, await accept_in_steps(chat, request))


async def regenerate_reply(
    chat: ChatPorts, *, account_id: UUID, room_id: UUID, reply_id: UUID, model: str | None, key: str | None
) -> Accepted:
    """Accept another reply to the message that the reply answers, in any status of the reply. As `edit_message`.

    Raises NotAReply instead of NotAUserMessage.
    """
    reply = Message(chat.new_id(), room_id, Role.ASSISTANT, "", Status.PENDING, chat.now(), model=model)
    same = idempotency_key(key, ["regenerate", str(reply_id), model])
    request = MessageRequest(account_id, None, reply, same, sibling_of=reply_id)
    return await announced(chat, request, await accept_in_steps(chat, request))


async def announced(chat: ChatPorts, request: MessageRequest, accepted: Accepted) -> Accepted:
    """What was accepted, after those know who write and show it."""
    if not accepted.replayed:
        reply = accepted.reply
        to_worker, to_readers = chat.queue.put(reply.id), chat.open_rooms.announce(reply.room_id)
        await chat.room_list_cache.drop(request.account_id, to_worker, to_readers)
    return accepted


async def _accept_at_once(chat: ChatPorts, acceptance: Acceptance, request: MessageRequest) -> Accepted | None:
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


async def accept_in_steps(chat: ChatPorts, request: MessageRequest) -> Accepted:
    """Raises as the use case that the request is of."""
    try:
        return await _accept_or_refuse(chat, request)
    except QuotaExceeded as refusal:
        policy, limit, at = refusal.policy, refusal.limit, request.reply.created_at
        await report_quota_exceeded(chat, request.account_id, policy=policy, limit=limit, at=at)
        raise


async def _accept_or_refuse(chat: ChatPorts, request: MessageRequest) -> Accepted:
    account_id, now = request.account_id, request.reply.created_at
    async with chat.uow() as unit:
        request = await in_its_room(chat, unit, request)
        # Always locks the room first: this orders positions, and concurrent uses of one key.
        positions = len(request.before) + (1 if request.question is None else 2)
        reserved = await unit.rooms.reserve(request.reply.room_id, account_id, at=now, positions=positions)
        if reserved is None:
            raise RoomNotFound
        room, position = reserved
        said = await said_before(unit, room, request.client)
        earlier = await _earlier_reply(unit, request, said)
        if earlier is not None:
            return await accepted_before(unit, earlier, account_id=account_id, now=now)
        if said is not None:
            request = replace(request, sibling_of=said.id)
        parent = await _parent(unit, request)
        parent, position = await store_before(chat, unit, room, request.before, parent=parent, position=position)
        plan, allowance = await unit.quota.take(account_id, now=now)
        model = chat.catalogue.choose(request.reply.model, room.model, plan)
        asked = request.question or (parent if isinstance(parent, Message) else None)
        own = None if request.settings is None else request.settings.instructions
        read = partial(tokens_of_branch, chat, unit, room, parent, asked, before=position, instructions=own)
        allowance, tokens = await reserve_tokens(chat, unit, plan, allowance, account_id=account_id, now=now, read=read)
        max_pending = plan.max_pending_replies or chat.limits.max_pending
        charge = Charge(utc_day(now), tokens, plan.name)
        added = await _add(
            unit, request, parent, position=position, model=model, charge=charge, most_pending=max_pending
        )
        if added is None:
            raise TooManyPending(max_pending, allowance.with_one_back)
        if request.settings is not None:
            await unit.reply_settings.save(request.reply.id, request.settings)
        await _name(chat, unit, room, request)
        await unit.commit()
    return Accepted(*added, allowance, replayed=False)


async def _earlier_reply(unit: ChatUnit, request: MessageRequest, said: Message | None) -> UUID | None:
    """The reply to the same request, if it was sent before. Raises IdempotencyMismatch."""
    if said is not None and request.question is not None and said.content == request.question.content:
        return await newest_reply(unit, said)
    if request.key is None:
        return None
    reply = request.reply
    first_use = await unit.idempotency_keys.remember(reply.room_id, request.key, reply.id, at=reply.created_at)
    if first_use is None:
        return None
    reply_id, fingerprint = first_use
    if fingerprint != request.key.fingerprint:
        raise IdempotencyMismatch
    return reply_id


async def _name(chat: ChatPorts, unit: ChatUnit, room: Room, request: MessageRequest) -> None:
    """Give the message its client's id, and the room its name."""
    if request.question is None:
        return
    if request.client is not None:
        await unit.client_ids.give_message(request.question.id, request.client.id)
    await name_room(chat, unit, room, [*request.before, GivenMessage(Role.USER, request.question.content)])


async def _add(
    unit: ChatUnit,
    request: MessageRequest,
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


async def _parent(unit: ChatUnit, request: MessageRequest) -> Message | Head | None:
    """The parent of the first message that is to be added."""
    if request.sibling_of is not None:
        sibling = await _found(unit, request, request.sibling_of)
        if request.question is None and sibling.reply_to is None:
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


async def _found(unit: ChatUnit, request: MessageRequest, message_id: UUID) -> Message:
    message = await unit.messages.get(message_id, request.reply.room_id, request.account_id)
    if message is None:
        raise MessageNotFound
    return message
