"""The port that accepts a message at once."""

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from parley.core.chat.model import Allowance, IdempotencyKey, Message


class Acceptance(Protocol):
    """Accepting a message as one transaction by itself, for a database that does all of it in one statement."""

    async def accept(
        self,
        question: Message,
        reply: Message,
        *,
        account_id: UUID,
        key: IdempotencyKey | None,
        offered: Collection[str],
        default_model: str,
        most_pending: int,
    ) -> tuple[Message, Message, Allowance] | None:
        """Accept the message if nothing stands in the way.

        Reserves the next two positions of the room, remembers the `key`, takes quota, and writes the user's message
        and its pending reply. Its model is the one that `reply` has, else the room's, else `default_model`. The parent
        is the room's head, which must be the one that `question` has, if any. Returns both as stored, and the quota.

        None, with nothing changed, if the room, head, key, quota, number of unfinished replies or model forbid it, or
        may do so: which of them, only the steps in a unit of work say. A room without a name is left to those too.
        Raises AccountGone.
        """
