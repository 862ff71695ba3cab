"""What a reply reserves of its plan's tokens while it is unfinished, in the unit of work that accepts it."""

from datetime import datetime

from parley.core.chat import ChatPorts
from parley.core.chat.allowance import Allowance
from parley.core.chat.errors import QuotaExceeded
from parley.core.chat.model import Message, Room
from parley.core.chat.stores import ChatUnit
from parley.core.chat.tree import Head
from parley.core.plans import Plan


async def reserve_tokens(
    chat: ChatPorts,
    unit: ChatUnit,
    plan: Plan,
    allowance: Allowance,
    *,
    room: Room,
    parent: Message | Head | None,
    position: int,
    asked: Message | Head | None,
    now: datetime,
) -> tuple[Allowance, int]:
    """The allowance with tokens, and how many of them the reply reserves: none on a plan that does not limit them.

    That is an estimate of what the model reads, which is the branch up to `parent` and the message that is `asked`, and
    a fixed number for its answer. Raises QuotaExceeded.
    """
    if not plan.limits_tokens:
        return allowance, 0
    allowance = allowance.with_tokens(await unit.quota.tokens(room.account_id, plan, now=now))
    if allowance.used_up_tokens:
        raise QuotaExceeded(allowance.with_one_back)
    last = parent.position if isinstance(parent, Message) else parent
    read = None if last is None else await unit.messages.branch_tokens(room.id, last=last, before=position)
    tokens = chat.estimates.answer + chat.estimates.of(asked.content if isinstance(asked, Message) else None)
    tokens += chat.estimates.of(room.instructions) if read is None else read
    await unit.quota.reserve(room.account_id, now=now, tokens=tokens)
    return allowance.with_reserved(tokens), tokens
