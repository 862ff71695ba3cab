"""How many readers of replies there may be in this process."""

from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from uuid import UUID

from parley.core.chat.account_plans import AccountPlans
from parley.core.in_use import InUse

READERS_OF_A_REPLY = 100
READERS_OF_AN_ACCOUNT = 200


class ReplyReaders:
    """Counts the readers of each reply and of each account: every one has its own copy of each event.

    An account may have `of_an_account` unless its plan says otherwise. The plan is read only when the account has as
    many as the smallest number of all plans.
    """

    def __init__(self, plans: AccountPlans | None = None, *, of_an_account: int = READERS_OF_AN_ACCOUNT) -> None:
        self._plans = plans
        self._of_reply = InUse(READERS_OF_A_REPLY)
        self._of_account = InUse(of_an_account)
        every = () if plans is None else plans.every
        self._smallest = min((plan.max_open_streams or of_an_account for plan in every), default=of_an_account)

    async def take(self, account_id: UUID) -> ExitStack:
        """Count one more reader of the account until the result is closed, which may be done twice.

        For what is to be read, but does not exist yet. Raises TooManyRequests.
        """
        limit = await self._limit(account_id)
        taken = ExitStack()
        taken.enter_context(self._of_account.one_more(account_id, limit=limit))
        return taken

    async def _limit(self, account_id: UUID) -> int | None:
        """None: the usual one."""
        if self._plans is None or self._of_account.count(account_id) < self._smallest:
            return None
        return (await self._plans.of(account_id)).max_open_streams

    @asynccontextmanager
    async def reading(
        self, reply_id: UUID, *, account_id: UUID, taken: ExitStack | None = None
    ) -> AsyncGenerator[None, None]:
        """What was `taken` for the account is closed at the end. Raises TooManyRequests."""
        with taken or await self.take(account_id), self._of_reply.one_more(reply_id):
            yield
