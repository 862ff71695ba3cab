"""Opening sessions, keeping them alive, and ending them.

A refresh token is good for one use. Its child is derived from it with a key, so a repeat within REFRESH_GRACE can be
given the very same child although only hashes are stored. Any later use of a used token means that two parties hold
it: the session ends for both.
"""

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from parley.core.accounts.errors import RefreshTokenInvalid, SessionNotFound
from parley.core.accounts.model import (
    REFRESH_GRACE,
    SESSION_MEMORY,
    USER_AGENT_CHARACTERS,
    AuditEvent,
    OpenedBy,
    RefreshToken,
    Session,
    TokenPair,
    keyed_hash,
    token_hash,
)
from parley.core.accounts.ports import AccessTokens, AuditTrail
from parley.core.accounts.revocations import RevocationList
from parley.core.accounts.stores import AccountsUnit, AccountsUnitOfWork
from parley.core.text import make_storable


async def open_session(
    unit: AccountsUnit,
    *,
    account_id: UUID,
    opened_by: OpenedBy,
    session_id: UUID,
    refresh_token: str,
    user_agent: str | None,
    life: timedelta,
    now: datetime,
) -> None:
    """Part of the unit of work of every sign-in. The session expires when it was not refreshed for `life`."""
    device = None if user_agent is None else make_storable(user_agent)[:USER_AGENT_CHARACTERS]
    await unit.sessions.add(Session(session_id, account_id, opened_by, now, now, now + life, device))
    await unit.sessions.add_token(RefreshToken(token_hash(refresh_token), session_id, issued_at=now))


async def refresh_session(
    *,
    uow: AccountsUnitOfWork,
    access_tokens: AccessTokens,
    revocations: RevocationList,
    audit: AuditTrail,
    keys: Sequence[bytes],
    refresh_token: str,
    life: timedelta,
    now: datetime,
) -> TokenPair:
    """Exchange a refresh token for the next pair; of parallel exchanges of one token all get the same next token.

    The first of `keys` derives, all are tried for a repeat. Raises RefreshTokenInvalid; where that was a used token
    outside its grace, the session has ended.
    """
    hashed = token_hash(refresh_token)
    async with uow() as unit:
        token = await unit.sessions.token(hashed)
        # The session before the token, as everything that ends or removes sessions: nobody waits in a circle.
        session = None if token is None else await unit.sessions.extend(token.session_id, at=now, until=now + life)
        if session is None:
            audit.note(AuditEvent.REFRESH_FAILED)
            raise RefreshTokenInvalid
        if await unit.sessions.use_token(hashed, at=now):
            child = _child_of(refresh_token, keys[0])
            await unit.sessions.add_token(RefreshToken(token_hash(child), session.id, issued_at=now))
            await unit.commit()
            return _pair(access_tokens, session, child, now)
        repeated = await _unused_child(unit, refresh_token, keys, now)
        if repeated is not None:
            return _pair(access_tokens, session, repeated, now)
    # In a unit of its own: PostgreSQL checks the account behind a row that one transaction writes twice, which may be
    # locked by its erasure, and that waits for this session.
    async with uow() as unit:
        if not await unit.sessions.end(session.id, at=now):
            audit.note(AuditEvent.REFRESH_FAILED)
            raise RefreshTokenInvalid
        await revocations.write(unit, [session.id], now)
        await unit.commit()
    revocations.remember([session.id], now)
    audit.note(AuditEvent.TOKEN_REUSED, account_id=session.account_id, session_id=session.id)
    raise RefreshTokenInvalid


async def read_sessions(
    *, uow: AccountsUnitOfWork, account_id: UUID, before: UUID | None, limit: int, now: datetime
) -> tuple[list[Session], UUID | None]:
    """A page of the account's live sessions, the newest first, and what `before` is for the next page, if any."""
    async with uow(read_only=True) as unit:
        found = await unit.sessions.page(account_id, now=now, before=before, limit=limit + 1)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


async def end_session(
    *,
    uow: AccountsUnitOfWork,
    revocations: RevocationList,
    audit: AuditTrail,
    account_id: UUID,
    session_id: UUID,
    how: str,
    now: datetime,
) -> None:
    """End one session of the account; its tokens are refused everywhere within a second. Raises SessionNotFound."""
    async with uow() as unit:
        session = await unit.sessions.get(session_id)
        if session is None or session.account_id != account_id or session.expires_at <= now:
            raise SessionNotFound
        if not await unit.sessions.end(session_id, at=now):
            raise SessionNotFound
        await revocations.write(unit, [session_id], now)
        await unit.commit()
    revocations.remember([session_id], now)
    audit.note(AuditEvent.SESSION_ENDED, account_id=account_id, session_id=session_id, how=how)


async def forget_expired(*, uow: AccountsUnitOfWork, session_life: timedelta, now: datetime) -> int:
    """Remove what has had its time; returns how many of all.

    Codes, signups and revocations when they expire; sessions a day after they were over; used refresh tokens after
    `session_life`: by then a thief's token would be as dead as any, so its use need not end the session.
    """
    async with uow() as unit:
        forgotten = await unit.challenges.forget_expired(now)
        forgotten += await unit.deliveries.forget_expired(now)
        forgotten += await unit.signups.forget_expired(now)
        forgotten += await unit.revocations.forget_expired(now)
        forgotten += await unit.sessions.forget_before(now - SESSION_MEMORY)
        forgotten += await unit.sessions.forget_tokens(now - session_life)
        await unit.commit()
    return forgotten


async def _unused_child(unit: AccountsUnit, refresh_token: str, keys: Sequence[bytes], now: datetime) -> str | None:
    """The successor of a token that was used just now, unless that was used too."""
    used = await unit.sessions.token(token_hash(refresh_token))
    if used is None or used.used_at is None or now - used.used_at > REFRESH_GRACE:
        return None
    for key in keys:
        child = _child_of(refresh_token, key)
        known = await unit.sessions.token(token_hash(child))
        if known is not None:
            return child if known.used_at is None else None
    return None


def _child_of(refresh_token: str, key: bytes) -> str:
    return base64.urlsafe_b64encode(keyed_hash(key, "refresh", refresh_token)).rstrip(b"=").decode()


def _pair(access_tokens: AccessTokens, session: Session, refresh_token: str, now: datetime) -> TokenPair:
    access_token = access_tokens.issue(session.account_id, session.id, now)
    return TokenPair(access_token, access_tokens.expires_in, refresh_token)
