"""A password in place of another: forgotten, or changed on purpose. Either way whoever else was signed in is out."""

from collections.abc import Sequence
from datetime import datetime

from parley.core.accounts.codes import refused_code, try_code
from parley.core.accounts.errors import CredentialsInvalid, TokenInvalid
from parley.core.accounts.model import (
    PROOF_LIFE,
    Account,
    AuditEvent,
    Caller,
    Identity,
    OpenedBy,
    Purpose,
    Session,
)
from parley.core.accounts.password_rules import PasswordRules
from parley.core.accounts.ports import AuditTrail, Passwords
from parley.core.accounts.rate_limits import IdentityRateLimits
from parley.core.accounts.revocations import RevocationList
from parley.core.accounts.stores import AccountsUnitOfWork
from parley.core.errors import DomainError, InvalidInput


async def reset_password(
    *,
    uow: AccountsUnitOfWork,
    passwords: Passwords,
    rules: PasswordRules,
    revocations: RevocationList,
    audit: AuditTrail,
    keys: Sequence[bytes],
    identity: Identity,
    code: str,
    new_password: str,
    now: datetime,
) -> None:
    """Give the account of the identity a new password, with a code for that purpose, and end all its sessions.

    Raises InvalidInput for a password that nobody may choose, with the code still good, and OtpInvalid, also when
    the identity has no account.
    """
    rules.check("new_password", new_password, identity)
    code_mac = await try_code(
        uow=uow, audit=audit, keys=keys, identity=identity, purpose=Purpose.RESET, code=code, now=now
    )
    password_hash = await passwords.hash(new_password)
    async with uow() as unit:
        spent = await unit.challenges.spend(identity, Purpose.RESET, code_mac, at=now)
        account = await unit.accounts.find(identity) if spent else None
        if account is None or not await unit.accounts.set_password(account.id, password_hash):
            await unit.commit()
            raise refused_code(audit, identity, Purpose.RESET)
        ended = await unit.sessions.end_all(account.id, at=now)
        await revocations.write(unit, ended, now)
        await unit.commit()
    revocations.remember(ended, now)
    audit.note(AuditEvent.PASSWORD_RESET, identity=identity, account_id=account.id)


async def change_password(
    *,
    uow: AccountsUnitOfWork,
    passwords: Passwords,
    rules: PasswordRules,
    turns: IdentityRateLimits,
    revocations: RevocationList,
    audit: AuditTrail,
    caller: Caller,
    current_password: str | None,
    new_password: str,
    now: datetime,
) -> None:
    """Give the caller's account a new password and end all its other sessions.

    The proof is the current password or, left out, that the session was opened by a code within PROOF_LIFE.
    Raises InvalidInput, also where a proof is missing; CredentialsInvalid; TooManyRequests; TokenInvalid when the
    session ended meanwhile.
    """
    account, session = await _caller(uow, caller)
    rules.check("new_password", new_password, account.identity)
    if current_password is not None:
        await turns.attempt("password", account.identity)
        if not await passwords.verify(current_password, account.password_hash):
            raise _not_changed(audit, session, CredentialsInvalid())
    elif session.opened_by is not OpenedBy.CODE or now - session.opened_at > PROOF_LIFE:
        raise InvalidInput(
            "current_password", "is required: or sign in with a code first, and set one within 10 minutes"
        )
    password_hash = await passwords.hash(new_password)
    async with uow() as unit:
        if not await unit.accounts.replace_password(account.id, old=account.password_hash, new=password_hash):
            # Changed since it was read: what was proven was about a password of the past.
            raise _not_changed(audit, session, CredentialsInvalid())
        # Once the account is locked by that: a reset that came before has ended this session too.
        current = await unit.sessions.get(session.id)
        if current is None or not current.live(now):
            raise _not_changed(audit, session, TokenInvalid())
        ended = await unit.sessions.end_all(account.id, at=now, but=session.id)
        await revocations.write(unit, ended, now)
        await unit.commit()
    revocations.remember(ended, now)
    audit.note(AuditEvent.PASSWORD_CHANGED, account_id=account.id, session_id=session.id)


def _not_changed(audit: AuditTrail, session: Session, error: DomainError) -> DomainError:
    audit.note(AuditEvent.CHANGE_FAILED, account_id=session.account_id, session_id=session.id)
    return error


async def _caller(uow: AccountsUnitOfWork, caller: Caller) -> tuple[Account, Session]:
    async with uow(read_only=True) as unit:
        account = await unit.accounts.get(caller.account_id)
        session = await unit.sessions.get(caller.session_id)
    if account is None or session is None:
        raise TokenInvalid
    return account, session
