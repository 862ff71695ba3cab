"""Opening, refreshing, listing and ending sessions.

A refresh token works once. The next token is derived from it with a key, so a repeat within REFRESH_GRACE gets the same
next token although only hashes are stored. Any later use of a used token means that two parties have it: the session
ends for both. A refresh removes the rows of tokens that were used before that time, since their signature is enough.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from parley.core.accounts import AccountsPorts
from parley.core.accounts.erased_usage import usage_since
from parley.core.accounts.errors import AccountSuspended, RefreshTokenInvalid, SessionNotFound, SignInSuspended
from parley.core.accounts.model import (
    FAILURE_MEMORY,
    REFRESH_GRACE,
    SESSION_MEMORY,
    USER_AGENT_CHARACTERS,
    Account,
    AuditEvent,
    Caller,
    OpenedBy,
    RefreshToken,
    Session,
    SignedIn,
    TokenPair,
    token_hash,
)
from parley.core.accounts.ports import AccessTokens
from parley.core.accounts.refresh_tokens import first_token, next_token, session_of
from parley.core.accounts.stores import AccountsUnit
from parley.core.text import make_storable


async def open_session(
    accounts: AccountsPorts,
    unit: AccountsUnit,
    *,
    account_id: UUID,
    opened_by: OpenedBy,
    user_agent: str | None,
    now: datetime,
) -> tuple[Session, str]:
    """Add a session in the unit of work of a sign-in; returns it and its first refresh token."""
    device = None if user_agent is None else make_storable(user_agent)[:USER_AGENT_CHARACTERS]
    expires_at = now + min(accounts.session_life, accounts.session_max_age)
    session = Session(accounts.new_id(), account_id, opened_by, now, now, expires_at, device)
    refresh_token = first_token(session.id, accounts.new_token(), accounts.refresh_keys[0])
    await unit.sessions.add(session)
    await unit.sessions.add_token(RefreshToken(token_hash(refresh_token), session.id, issued_at=now))
    return session, refresh_token


def signed_in(
    accounts: AccountsPorts, account: Account, session: Session, refresh_token: str, device_token: str, *, created: bool
) -> SignedIn:
    """Note the sign-in in the audit trail, after its commit, and issue its tokens."""
    accounts.audit.note(
        AuditEvent.SIGNED_IN,
        identity=account.identity,
        account_id=account.id,
        session_id=session.id,
        how=session.opened_by.value,
    )
    access_token = accounts.access_tokens.issue(account.id, session.id, session.opened_at)
    expires_in = accounts.access_tokens.expires_in
    return SignedIn(access_token, expires_in, refresh_token, device_token, created=created, account=account)


async def refuse_suspended(accounts: AccountsPorts, unit: AccountsUnit, account: Account) -> None:
    """Called after the proof, so that nobody else learns of a suspension.

    Raises SignInSuspended, after it committed the unit, since the proof is used up: the code, the guess.
    """
    if account.suspended_at is not None:
        await unit.commit()
        accounts.audit.note(
            AuditEvent.SIGN_IN_FAILED, identity=account.identity, account_id=account.id, how="suspended"
        )
        raise SignInSuspended


async def refresh_session(accounts: AccountsPorts, *, refresh_token: str) -> TokenPair:
    """Exchange a refresh token for the next pair. Parallel exchanges of one token all get the same next token.

    The first of `refresh_keys` derives new tokens; all are tried for a repeated token. Raises AccountSuspended, which
    uses no token, and RefreshTokenInvalid; if that was for a used token outside its grace period, the session has
    ended.
    """
    now, keys, hashed = accounts.now(), accounts.refresh_keys, token_hash(refresh_token)
    async with accounts.uow() as unit:
        token = await unit.sessions.token(hashed)
        if token is None:
            session = await _session_of_forgotten(accounts, unit, refresh_token)
        else:
            session = await _extend(accounts, unit, token.session_id, now)
        if session is None:
            accounts.audit.note(AuditEvent.REFRESH_FAILED)
            raise RefreshTokenInvalid
        if await unit.suspensions.has(session.account_id):
            raise AccountSuspended
        if await unit.sessions.use_token(hashed, at=now):
            child = next_token(session.id, refresh_token, keys[0])
            await unit.sessions.add_token(RefreshToken(token_hash(child), session.id, issued_at=now))
            await unit.sessions.forget_used_tokens(session.id, before=now - REFRESH_GRACE)
            await unit.commit()
            return _pair(accounts.access_tokens, session, child, now)
        repeated = await _unused_child(unit, session.id, refresh_token, keys, now)
        if repeated is not None:
            return _pair(accounts.access_tokens, session, repeated, now)
    await _end_reused_session(accounts, session, now)
    raise RefreshTokenInvalid


async def read_sessions(
    accounts: AccountsPorts, *, account_id: UUID, before: UUID | None, limit: int
) -> tuple[list[Session], UUID | None]:
    """A page of the account's live sessions, newest first, and the `before` of the next page, if there is one."""
    async with accounts.uow(read_only=True) as unit:
        found = await unit.sessions.page(account_id, now=accounts.now(), before=before, limit=limit + 1)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


async def owner_of_session(accounts: AccountsPorts, session_id: UUID) -> UUID | None:
    """Its account, for the audit trail: never for an answer to a client. None if there is no such session."""
    async with accounts.uow(read_only=True) as unit:
        session = await unit.sessions.get(session_id)
    return None if session is None else session.account_id


async def end_session(accounts: AccountsPorts, *, account_id: UUID, session_id: UUID) -> None:
    """End one session of the account. Every process refuses its tokens within a second. Raises SessionNotFound."""
    now = accounts.now()
    async with accounts.uow() as unit:
        session = await unit.sessions.get(session_id)
        if session is None or session.account_id != account_id or session.expires_at <= now:
            raise SessionNotFound
        if not await unit.sessions.end(session_id, at=now):
            raise SessionNotFound
        await accounts.revocations.write(unit, [session_id], now)
        await unit.commit()
    accounts.revocations.remember([session_id], now)
    accounts.audit.note(AuditEvent.SESSION_ENDED, account_id=account_id, session_id=session_id, how="ended")


async def log_out(accounts: AccountsPorts, *, caller: Caller) -> None:
    """End the caller's session. Its tokens and tickets are revoked also when it has ended, expired or gone before."""
    now = accounts.now()
    async with accounts.uow() as unit:
        ended = await unit.sessions.end(caller.session_id, at=now)
        await accounts.revocations.write(unit, [caller.session_id], now)
        await unit.commit()
    accounts.revocations.remember([caller.session_id], now)
    if ended:
        accounts.audit.note(
            AuditEvent.SESSION_ENDED, account_id=caller.account_id, session_id=caller.session_id, how="logout"
        )


async def forget_expired(accounts: AccountsPorts) -> int:
    """Remove expired rows; returns how many.

    Codes, known devices, signups, API keys and revocations go when they expire; usage of erased accounts after its day;
    failed guesses FAILURE_MEMORY after the last of their source, and their total after the last of all; sessions, with
    their refresh tokens, SESSION_MEMORY after they ended.
    """
    now = accounts.now()
    async with accounts.uow() as unit:
        forgotten = await unit.failures.forget_before(now - FAILURE_MEMORY)
        forgotten += await unit.challenges.forget_expired(now)
        forgotten += await unit.devices.forget_expired(now)
        forgotten += await unit.deliveries.forget_expired(now)
        forgotten += await unit.signups.forget_expired(now)
        forgotten += await unit.erased_usage.forget_before(usage_since(accounts, now))
        forgotten += await unit.revocations.forget_expired(now)
        forgotten += await unit.api_keys.forget_expired(now)
        forgotten += await unit.sessions.forget_before(now - SESSION_MEMORY)
        await unit.commit()
    return forgotten


async def _extend(accounts: AccountsPorts, unit: AccountsUnit, session_id: UUID, now: datetime) -> Session | None:
    """Extend the session by its life, up to its largest age; None if it has ended.

    It is locked before its token, as in everything that ends or removes sessions, to avoid deadlocks.
    """
    known = await unit.sessions.get(session_id)
    if known is None:
        return None
    until = min(now + accounts.session_life, known.opened_at + accounts.session_max_age)
    session = await unit.sessions.extend(session_id, at=now, until=until)
    if session is None or session.live(now):
        return session
    # Older than a maximum that was lowered since the last refresh: the list of sessions is to say so too.
    await unit.commit()
    return None


async def _session_of_forgotten(accounts: AccountsPorts, unit: AccountsUnit, refresh_token: str) -> Session | None:
    """The session of a token without a row, if it was issued: then it has been used."""
    session_id = session_of(refresh_token, accounts.refresh_keys)
    return None if session_id is None else await unit.sessions.get(session_id)


async def _end_reused_session(accounts: AccountsPorts, session: Session, now: datetime) -> None:
    # In a separate unit of work: PostgreSQL checks the account behind a row that one transaction writes twice, and an
    # erasure that holds the account's lock waits for this session.
    async with accounts.uow() as unit:
        if not await unit.sessions.end(session.id, at=now):
            accounts.audit.note(AuditEvent.REFRESH_FAILED)
            return
        await accounts.revocations.write(unit, [session.id], now)
        await unit.commit()
    accounts.revocations.remember([session.id], now)
    accounts.audit.note(AuditEvent.TOKEN_REUSED, account_id=session.account_id, session_id=session.id)


async def _unused_child(
    unit: AccountsUnit, session_id: UUID, refresh_token: str, keys: Sequence[bytes], now: datetime
) -> str | None:
    """The unused successor of a token that was used within REFRESH_GRACE."""
    used = await unit.sessions.token(token_hash(refresh_token))
    if used is None or used.used_at is None or now - used.used_at > REFRESH_GRACE:
        return None
    for key in keys:
        child = next_token(session_id, refresh_token, key)
        known = await unit.sessions.token(token_hash(child))
        if known is not None:
            return child if known.used_at is None else None
    return None


def _pair(access_tokens: AccessTokens, session: Session, refresh_token: str, now: datetime) -> TokenPair:
    access_token = access_tokens.issue(session.account_id, session.id, now)
    return TokenPair(access_token, access_tokens.expires_in, refresh_token)
