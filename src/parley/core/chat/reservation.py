"""What a reply reserves of its plan's tokens while it is unfinished, in the unit of work that accepts it."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

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
    account_id: UUID,
    now: datetime,
    read: Callable[[], Awaitable[int]],
) -> tuple[Allowance, int]:
    """The allowance with tokens, and how many of them the reply reserves: none on a plan that does not limit them.

    That is what the model will `read`, which is asked for only then, and a fixed number for its answer. To be called
    once quota was taken. Raises QuotaExceeded.
    """
    if not plan.limits_tokens:
        return allowance, 0
    allowance = allowance.with_tokens(await unit.quota.tokens(account_id, plan, now=now))
    if allowance.used_up_tokens:
        raise QuotaExceeded(allowance.with_one_back)
    tokens = chat.estimates.answer + await read()
    await unit.quota.reserve(account_id, now=now, tokens=tokens)
    return allowance.with_reserved(tokens), tokens


async def tokens_of_branch(
    chat: ChatPorts,
    unit: ChatUnit,
    room: Room,
    parent: Message | Head | None,
    asked: Message | None,
    *,
    before: int,
    instructions: str | None = None,
) -> int:
    """What a model reads of the branch up to `parent`, the message that is `asked` and the reply's own `instructions`.

    The head is that of the room when `before` was its next position.
    """
    last = parent.position if isinstance(parent, Message) else parent
    found = None if last is None else await unit.messages.branch_tokens(room.id, last=last, before=before)
    beginning = chat.estimates.of(room.instructions) if found is None else found
    return beginning + chat.estimates.of(instructions, None if asked is None else asked.content)
