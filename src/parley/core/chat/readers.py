"""How many readers of replies there may be in this process."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from parley.core.in_use import InUse

READERS_OF_A_REPLY = 100
READERS_OF_AN_ACCOUNT = 200


class ReplyReaders:
    """Counts the readers of each reply and of each account: every one has its own copy of each event."""

    def __init__(self, *, of_an_account: int = READERS_OF_AN_ACCOUNT) -> None:
        self._of_reply = InUse(READERS_OF_A_REPLY)
        self._of_account = InUse(of_an_account)

    def check(self, account_id: UUID) -> None:
        """Raises TooManyRequests if the account has as many readers as it may have."""
        self._of_account.check(account_id)

    @asynccontextmanager
    async def reading(self, reply_id: UUID, *, account_id: UUID) -> AsyncGenerator[None, None]:
        """Raises TooManyRequests."""
        with self._of_account.one_more(account_id), self._of_reply.one_more(reply_id):
            yield
