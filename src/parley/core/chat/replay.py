"""The response to a request whose idempotency key was used before."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from parley.core.chat.allowance import Allowance
from parley.core.chat.errors import IdempotencyMismatch, MessageNotFound
from parley.core.chat.model import IdempotencyKey, Message, Room, Status
from parley.core.chat.stores import ChatUnit


async def replay(
    unit: ChatUnit, room: Room, first_use: tuple[UUID, bytes], key: IdempotencyKey, now: datetime
) -> tuple[Message, Message, Allowance]:
    """The message and its reply as they were when accepted, and the quota as it is now.

    Raises IdempotencyMismatch, and MessageNotFound if the reply is gone.
    """
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
    return question, as_accepted, allowance
