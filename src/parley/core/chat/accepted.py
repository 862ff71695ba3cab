"""What accepting a message returns, also when it is repeated."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from parley.core.chat.allowance import Allowance
from parley.core.chat.errors import MessageNotFound
from parley.core.chat.model import IDEMPOTENCY_KEY_CHARACTERS, IdempotencyKey, Message, Status
from parley.core.chat.stores import ChatUnit
from parley.core.text import check_text


@dataclass(frozen=True, slots=True)
class Accepted:
    """A user's message and its reply as they were when accepted, and the quota as it is now."""

    question: Message
    reply: Message
    allowance: Allowance
    replayed: bool


def idempotency_key(value: str | None, body: Sequence[str | None]) -> IdempotencyKey | None:
    """The key with a fingerprint of the request. For a message to the head, only its content and model count."""
    if value is None:
        return None
    check_text("Idempotency-Key", value, longest=IDEMPOTENCY_KEY_CHARACTERS)
    return IdempotencyKey(value, hashlib.sha256(json.dumps(body).encode()).digest())


async def accepted_before(unit: ChatUnit, reply_id: UUID, *, account_id: UUID, now: datetime) -> Accepted:
    """The exchange of that reply, as it was when accepted. Raises MessageNotFound."""
    exchange = await unit.messages.exchange(reply_id)
    if exchange is None:
        raise MessageNotFound
    question, reply = exchange
    allowance = await unit.quota.look(account_id, now=now)
    return Accepted(question, as_accepted(reply), allowance, replayed=True)


def as_accepted(reply: Message) -> Message:
    """The reply as it was when it was accepted."""
    return replace(
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
