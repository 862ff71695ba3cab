"""The port that accepts a message at once."""

from typing import Protocol
from uuid import UUID

from parley.core.chat.allowance import Allowance
from parley.core.chat.catalogue import ModelCatalogue
from parley.core.chat.model import IdempotencyKey, Message
from parley.core.chat.token_estimates import TokenEstimates


class Acceptance(Protocol):
    """Accepts a message in a transaction of one statement, for a database that can do all of it in one."""

    async def accept(
        self,
        question: Message,
        reply: Message,
        *,
        account_id: UUID,
        key: IdempotencyKey | None,
        catalogue: ModelCatalogue,
        most_pending: int,
        estimates: TokenEstimates,
    ) -> tuple[Message, Message, Allowance] | None:
        """Accept the message if no limit or conflict prevents it.

        Reserves the next two positions of the room, remembers the `key`, takes quota, and writes the user's message
        and its pending reply. Its model is the one that `reply` has, else the room's, else the plan's default. The
        parent is the room's head, which must be the one that `question` has, if any. `most_pending` counts on a plan
        that says nothing. Returns both as stored, and the quota.

        None, with nothing changed, if the room, head, key, quota, plan, number of unfinished replies or model forbid
        it, or may do so: which of them, only the steps in a unit of work say. A room without a name is left to those
        too. Raises AccountGone.
        """
