"""Erasing an account."""

from uuid import UUID

from parley.core.accounts import AccountsPorts
from parley.core.accounts.errors import TokenInvalid
from parley.core.accounts.model import AuditEvent


async def erase_account(accounts: AccountsPorts, *, account_id: UUID) -> None:
    """Remove the account with everything it owns, here and in the other modules, which frees its identity.

    Raises TokenInvalid when the account is gone already.
    """
    now = accounts.now()
    async with accounts.uow() as unit:
        account = await unit.accounts.get(account_id)
        if account is None:
            raise TokenInvalid
        # Failures, then codes, then the account and its sessions: the lock order of signing in and of the sweep.
        await unit.failures.forget(account.identity)
        await unit.devices.forget(account.identity)
        await unit.challenges.forget(account.identity)
        await unit.deliveries.forget(account.identity)
        await unit.signups.forget(account.identity)
        await unit.account_erasure.lock(account_id)
        if await unit.accounts.lock(account_id) is None:
            raise TokenInvalid
        await unit.account_erasure.erase(account_id)
        ended = await unit.sessions.end_all(account_id, at=now)
        await accounts.revocations.write(unit, ended, now)
        await unit.accounts.remove(account_id)
        await unit.commit()
    accounts.revocations.remember(ended, now)
    accounts.audit.note(AuditEvent.ACCOUNT_ERASED, account_id=account_id)
