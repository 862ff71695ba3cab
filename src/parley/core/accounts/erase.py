"""Erasing an account."""

from uuid import UUID

from parley.core.accounts import AccountsPorts
from parley.core.accounts.erased_usage import store_usage
from parley.core.accounts.errors import CredentialsInvalid, ProofRequired, TokenInvalid
from parley.core.accounts.model import AuditEvent, Caller, Session
from parley.core.accounts.proof import is_proven, read_caller, require_live
from parley.core.outgoing_events import EventKind, OutgoingEvent


async def erase_own_account(accounts: AccountsPorts, *, caller: Caller, current_password: str | None) -> None:
    """Erase the caller's account.

    The proof is the current password or, when that is left out, a session that a code opened within PROOF_LIFE.
    Raises ProofRequired; CredentialsInvalid; TooManyRequests; TokenInvalid when account or session is gone.
    """
    now = accounts.now()
    account, session = await read_caller(accounts, caller)
    try:
        proven = await is_proven(accounts, account, session, current_password=current_password, now=now)
    except CredentialsInvalid:
        accounts.audit.note(AuditEvent.ERASURE_FAILED, account_id=account.id, session_id=session.id)
        raise
    if not proven:
        raise ProofRequired
    await erase_account(accounts, account_id=account.id, session=session)


async def erase_account(
    accounts: AccountsPorts, *, account_id: UUID, session: Session | None = None, by: str | None = None
) -> None:
    """Remove the account with everything it owns, here and in the other modules, which frees its identity.

    What it has used of the day's quota counts for the identity's next account.

    With `session` it must still be live, since a change or reset of the password ends it. Raises TokenInvalid when it
    is not, or when the account is gone already. `by` names the operator who does it, for the audit trail.
    """
    now = accounts.now()
    async with accounts.uow() as unit:
        account = await unit.accounts.get(account_id)
        if account is None:
            raise TokenInvalid
        # Failures, then codes, then the account and its sessions: the lock order of signing in and of the sweep.
        await unit.failures.forget(account.identity)
        await unit.challenges.forget(account.identity)
        await unit.devices.forget(account.identity)
        await unit.deliveries.forget(account.identity)
        await unit.signups.forget(account.identity)
        await unit.account_erasure.lock(account_id)
        if await unit.accounts.lock(account_id) is None:
            raise TokenInvalid
        if session is not None:
            await require_live(unit, session, now)
        await store_usage(accounts, unit, account_id=account_id, identity=account.identity, now=now)
        await unit.account_erasure.erase(account_id)
        ended = await unit.sessions.end_all(account_id, at=now)
        ended += await unit.api_keys.remove_all(account_id)
        await accounts.revocations.write(unit, ended, now)
        await unit.accounts.remove(account_id)
        event = OutgoingEvent(accounts.new_id(), EventKind.ACCOUNT_ERASED, account_id, now)
        await unit.outgoing_events.add(accounts.webhooks.deliveries(event, accounts.new_id))
        await unit.commit()
    accounts.revocations.remember(ended, now)
    accounts.audit.note(AuditEvent.ACCOUNT_ERASED, account_id=account_id, by=by)
