"""Storage of prompts: conversations that a client gives whole, each for one reply that is forgotten after its end."""

from typing import Protocol
from uuid import UUID

from parley.core.chat.model import Charge, Conversation, Message


class Prompts(Protocol):
    """Each prompt has its own room, which holds nothing but its reply.

    No list, count, search or export has such a room, and nothing finds it by its account. Its reply is claimed,
    renewed, ended and stopped as every reply is.
    """

    async def add(
        self, prompt: Conversation, reply: Message, *, account_id: UUID, charge: Charge | None, most_pending: int
    ) -> bool:
        """Write the prompt and its pending reply; the quota paid the `charge`, None if none did.

        False, with nothing written, if the account has `most_pending` unfinished replies already. Exact in a unit of
        work that has taken quota. Raises AccountGone.
        """

    async def forget(self, room_id: UUID) -> bool:
        """Remove the prompt with that room and its reply. False, with nothing changed, if that is unfinished or gone.

        So is it for any other room.
        """

    async def forget_ended(self, *, seconds: float, limit: int) -> int:
        """Remove up to `limit` prompts whose replies ended `seconds` ago by the database's clock; returns how many."""
