"""Passwords: asking for an account that has one, and signing in by it.

A password is hashed exactly as it was received (ASVS 6.2.8).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from parley.core.accounts.errors import CredentialsInvalid
from parley.core.accounts.model import (
    SIGNUP_LIFE,
    Account,
    AuditEvent,
    Identity,
    OpenedBy,
    SignedIn,
    Signup,
    token_hash,
)
from parley.core.accounts.password_rules import PasswordRules
from parley.core.accounts.ports import AccessTokens, AuditTrail, NewToken, Passwords
from parley.core.accounts.profile import check_name
from parley.core.accounts.rate_limits import IdentityRateLimits
from parley.core.accounts.sessions import open_session
from parley.core.accounts.stores import AccountsUnitOfWork
from parley.core.ports import NewId


@dataclass(frozen=True, slots=True)
class SignupStarted:
    """`signup_token` goes with the code for the same identity, within `expires_in` seconds."""

    signup_token: str = field(repr=False)
    expires_in: int


async def sign_up(
    *,
    uow: AccountsUnitOfWork,
    passwords: Passwords,
    rules: PasswordRules,
    turns: IdentityRateLimits,
    audit: AuditTrail,
    identity: Identity,
    name: str | None,
    password: str | None,
    new_token: NewToken,
    now: datetime,
) -> SignupStarted:
    """Keep what an account is to have until a code proves the identity. Raises InvalidInput, TooManyRequests.

    Whether the identity has an account is never looked up, so neither the answer nor its time can tell.
    """
    if name is not None:
        check_name(name)
    if password is not None:
        rules.check("password", password, identity)
    await turns.attempt("signup", identity)
    password_hash = None if password is None else await passwords.hash(password)
    signup_token = new_token()
    async with uow() as unit:
        await unit.signups.add(
            Signup(token_hash(signup_token), identity, name, password_hash, expires_at=now + SIGNUP_LIFE)
        )
        await unit.commit()
    audit.note(AuditEvent.SIGNED_UP, identity=identity)
    return SignupStarted(signup_token, int(SIGNUP_LIFE.total_seconds()))


async def log_in(
    *,
    uow: AccountsUnitOfWork,
    passwords: Passwords,
    access_tokens: AccessTokens,
    turns: IdentityRateLimits,
    audit: AuditTrail,
    identity: Identity,
    password: str,
    user_agent: str | None,
    session_life: timedelta,
    new_id: NewId,
    new_token: NewToken,
    now: datetime,
) -> SignedIn:
    """Open a session with the account's password.

    Raises TooManyRequests, and CredentialsInvalid, after the same work whatever was wrong.
    """
    await turns.attempt("password", identity)
    session_id, refresh_token = new_id(), new_token()
    while True:
        account, verified = await _verify(uow, passwords, audit, identity, password)
        current = await passwords.hash(password) if passwords.needs_rehash(verified) else verified
        async with uow() as unit:
            if not await unit.accounts.replace_password(account.id, old=verified, new=current):
                # Replaced since it was read: the verdict was about a password of the past.
                continue
            await open_session(
                unit,
                account_id=account.id,
                opened_by=OpenedBy.PASSWORD,
                session_id=session_id,
                refresh_token=refresh_token,
                user_agent=user_agent,
                life=session_life,
                now=now,
            )
            await unit.commit()
            break
    audit.note(AuditEvent.SIGNED_IN, identity=identity, account_id=account.id, session_id=session_id, how="password")
    access_token = access_tokens.issue(account.id, session_id, now)
    return SignedIn(access_token, access_tokens.expires_in, refresh_token, created=False, account=account)


async def _verify(
    uow: AccountsUnitOfWork, passwords: Passwords, audit: AuditTrail, identity: Identity, password: str
) -> tuple[Account, str]:
    """The account, and the hash that the password was found to fit."""
    async with uow(read_only=True) as unit:
        account = await unit.accounts.find(identity)
    password_hash = None if account is None else account.password_hash
    fits = await passwords.verify(password, password_hash)
    if account is None or password_hash is None or not fits:
        audit.note(AuditEvent.SIGN_IN_FAILED, identity=identity, how="password")
        raise CredentialsInvalid
    return account, password_hash
