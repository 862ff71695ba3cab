"""Resetting a forgotten password and changing a known one. Both end the account's other sessions and known devices."""

from parley.core.accounts import AccountsPorts
from parley.core.accounts.codes import RightCode, refused_code, try_code
from parley.core.accounts.errors import CredentialsInvalid, TokenInvalid
from parley.core.accounts.model import AuditEvent, Caller, Identity, Purpose, Session
from parley.core.accounts.ports import AuditTrail
from parley.core.accounts.proof import is_proven, read_caller, require_live
from parley.core.accounts.sources import Client
from parley.core.errors import DomainError, InvalidInput, Overloaded


async def reset_password(
    accounts: AccountsPorts,
    *,
    identity: Identity,
    code: str,
    challenge: str | None,
    new_password: str,
    client: Client,
) -> None:
    """Set a new password with a code for that purpose, end all sessions of the account, and forget its devices.

    Raises InvalidInput for a password that breaks the rules, and Overloaded, both of which leave the code valid and use
    up no try; OtpInvalid, also when the identity has no account; TooManyRequests.
    """
    now = accounts.now()
    accounts.password_rules.check("new_password", new_password, identity)
    right = await try_code(
        accounts, identity=identity, purpose=Purpose.RESET, code=code, challenge=challenge, client=client
    )
    password_hash = await _hash_or_undo(accounts, new_password, right)
    async with accounts.uow() as unit:
        await unit.failures.lock(identity, right.guess.source, now=now)
        if not await unit.challenges.spend(right.challenge, at=now):
            raise refused_code(accounts.audit, identity, Purpose.RESET)
        await unit.failures.forget(identity)
        await unit.devices.forget(identity)
        account = await unit.accounts.find(identity)
        if account is None or not await unit.accounts.set_password(account.id, password_hash):
            await unit.commit()
            raise refused_code(accounts.audit, identity, Purpose.RESET)
        ended = await unit.sessions.end_all(account.id, at=now)
        await accounts.revocations.write(unit, ended, now)
        await unit.commit()
    accounts.revocations.remember(ended, now)
    accounts.audit.note(AuditEvent.PASSWORD_RESET, identity=identity, account_id=account.id)


async def change_password(
    accounts: AccountsPorts, *, caller: Caller, current_password: str | None, new_password: str
) -> None:
    """Set a new password for the caller's account, end all its other sessions, and forget its devices.

    The proof is the current password or, when that is left out, a session that a code opened within PROOF_LIFE.
    Raises InvalidInput, also for a missing proof; CredentialsInvalid; TooManyRequests; TokenInvalid when the session
    has ended meanwhile.
    """
    now = accounts.now()
    account, session = await read_caller(accounts, caller)
    accounts.password_rules.check("new_password", new_password, account.identity)
    try:
        proven = await is_proven(accounts, account, session, current_password=current_password, now=now)
    except CredentialsInvalid as error:
        raise _refused_change(accounts.audit, session, error) from error
    if not proven:
        raise InvalidInput(
            "current_password", "is required: or sign in with a code first, and set one within 10 minutes"
        )
    password_hash = await accounts.passwords.hash(new_password)
    async with accounts.uow() as unit:
        await unit.failures.forget(account.identity)
        await unit.devices.forget(account.identity)
        if not await unit.accounts.replace_password(account.id, old=account.password_hash, new=password_hash):
            # Another change came first, so the proof was about an earlier password.
            raise _refused_change(accounts.audit, session, CredentialsInvalid())
        # Read under the account's lock: a reset that came first has ended this session too.
        try:
            await require_live(unit, session, now)
        except TokenInvalid as error:
            raise _refused_change(accounts.audit, session, error) from error
        ended = await unit.sessions.end_all(account.id, at=now, but=session.id)
        await accounts.revocations.write(unit, ended, now)
        await unit.commit()
    accounts.revocations.remember(ended, now)
    accounts.audit.note(AuditEvent.PASSWORD_CHANGED, account_id=account.id, session_id=session.id)


async def _hash_or_undo(accounts: AccountsPorts, password: str, right: RightCode) -> str:
    """The password's hash. Raises Overloaded, after which the code counts as not tried."""
    try:
        return await accounts.passwords.hash(password)
    except Overloaded:
        await right.undo(accounts)
        raise


def _refused_change(audit: AuditTrail, session: Session, error: DomainError) -> DomainError:
    audit.note(AuditEvent.CHANGE_FAILED, account_id=session.account_id, session_id=session.id)
    return error
