"""The storage port of quotas, which the chat module takes from and counts in."""

from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from parley.core.chat.allowance import Allowance
from parley.core.chat.tokens import Spent
from parley.core.plans import Plan
from parley.core.token_limits import TokenAllowance


class Quota(Protocol):
    """What accounts use of what their plans allow.

    What a reply has reserved counts while the reply is unfinished, and is stored nowhere else: it is gone with the
    reply's end or deletion.
    """

    async def plan(self, account_id: UUID, *, now: datetime) -> Plan:
        """The plan that the account is on."""

    async def take(self, account_id: UUID, *, now: datetime) -> tuple[Plan, Allowance]:
        """Count one message on the UTC day, in one conditional statement; the allowance is without tokens.

        Raises QuotaExceeded, with nothing counted.
        """

    async def tokens(self, account_id: UUID, plan: Plan, *, now: datetime) -> tuple[TokenAllowance, ...]:
        """What is left of the plan's tokens. Exact in a unit of work that has taken quota."""

    async def reserve(self, account_id: UUID, *, now: datetime, tokens: int) -> None:
        """Note what the reply that is being accepted reserves, for messages that are accepted at the same time."""

    async def look(self, account_id: UUID, *, now: datetime) -> Allowance:
        """The quota as it is, tokens included."""

    async def give_back(self, account_id: UUID, *, day: date | None) -> None:
        """Uncount one message of that day. To be called once for each message. Without a day no quota paid: a no-op."""

    async def add_tokens(self, account_id: UUID, *, day: date | None, spent: Spent) -> None:
        """Count tokens on a day that has counted a message; a no-op without one."""

    async def abandon(self, room_id: UUID) -> None:
        """Count what the room's replies that are being written have reserved as spent: nobody will count it.

        Before the room is deleted, in a unit of work that has locked it.
        """
