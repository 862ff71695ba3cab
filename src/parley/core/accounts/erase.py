"""Erasing an account."""

from datetime import datetime
from uuid import UUID

from parley.core.accounts.errors import TokenInvalid
from parley.core.accounts.model import AuditEvent
from parley.core.accounts.ports import AuditTrail
from parley.core.accounts.revocations import RevocationList
from parley.core.accounts.stores import AccountsUnitOfWork


async def erase_account(
    *, uow: AccountsUnitOfWork, revocations: RevocationList, audit: AuditTrail, account_id: UUID, now: datetime
) -> None:
    """Remove the account with all that is its own, here and in other modules. Its identity is free again.

    Raises TokenInvalid when it is gone already.
    """
    async with uow() as unit:
        account = await unit.accounts.get(account_id)
        if account is None:
            raise TokenInvalid
        # Codes before the account and its sessions, as whoever spends a code takes them, and the sweep.
        await unit.challenges.forget(account.identity)
        await unit.deliveries.forget(account.identity)
        await unit.signups.forget(account.identity)
        await unit.account_erasure.lock(account_id)
        if await unit.accounts.lock(account_id) is None:
            raise TokenInvalid
        await unit.account_erasure.erase(account_id)
        ended = await unit.sessions.end_all(account_id, at=now)
        await revocations.write(unit, ended, now)
        await unit.accounts.remove(account_id)
        await unit.commit()
    revocations.remember(ended, now)
    audit.note(AuditEvent.ACCOUNT_ERASED, account_id=account_id)
