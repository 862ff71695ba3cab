"""Opening sessions and keeping them alive.

A refresh token is good for one use. Its child is derived from it with a key, so a repeat within REFRESH_GRACE can be
given the very same child although only hashes are stored. Any later use of a used token means that two parties hold
it: the session ends for both.
"""

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from parley.core.accounts.errors import RefreshTokenInvalid
from parley.core.accounts.model import (
    REFRESH_GRACE,
    SESSION_MEMORY,
    OpenedBy,
    RefreshToken,
    Session,
    TokenPair,
    keyed_hash,
    token_hash,
)
from parley.core.accounts.ports import AccessTokens, AccountsUnit, AccountsUnitOfWork


async def open_session(
    unit: AccountsUnit,
    *,
    account_id: UUID,
    opened_by: OpenedBy,
    session_id: UUID,
    refresh_token: str,
    life: timedelta,
    now: datetime,
) -> None:
    """Part of the unit of work of every sign-in. The session expires when it was not refreshed for `life`."""
    await unit.sessions.add(Session(session_id, account_id, opened_by, now, now, now + life))
    await unit.sessions.add_token(RefreshToken(token_hash(refresh_token), session_id, issued_at=now))


async def refresh_session(
    *,
    uow: AccountsUnitOfWork,
    access_tokens: AccessTokens,
    keys: Sequence[bytes],
    refresh_token: str,
    life: timedelta,
    now: datetime,
) -> TokenPair:
    """Exchange a refresh token for the next pair; of parallel exchanges of one token all get the same next token.

    The first of `keys` derives, all are tried for a repeat. Raises RefreshTokenInvalid; where that was a used token
    outside its grace, the session has ended.
    """
    child = _child_of(refresh_token, keys[0])
    async with uow() as unit:
        session_id = await unit.sessions.use_token(token_hash(refresh_token), at=now)
        if session_id is None:
            session, child = await _repeat(unit, refresh_token, keys, now)
            return _pair(access_tokens, session, child, now)
        extended = await unit.sessions.extend(session_id, at=now, until=now + life)
        if extended is None:
            raise RefreshTokenInvalid
        await unit.sessions.add_token(RefreshToken(token_hash(child), session_id, issued_at=now))
        await unit.commit()
    return _pair(access_tokens, extended, child, now)


async def forget_expired(*, uow: AccountsUnitOfWork, now: datetime) -> int:
    """Remove expired codes and signups, and sessions that were over a day ago; returns how many of all."""
    async with uow() as unit:
        forgotten = await unit.challenges.forget_expired(now)
        forgotten += await unit.signups.forget_expired(now)
        forgotten += await unit.sessions.forget_before(now - SESSION_MEMORY)
        await unit.commit()
    return forgotten


async def _repeat(unit: AccountsUnit, refresh_token: str, keys: Sequence[bytes], now: datetime) -> tuple[Session, str]:
    """The session and the child of a token that was used before."""
    used = await unit.sessions.token(token_hash(refresh_token))
    session = None if used is None else await unit.sessions.get(used.session_id)
    if used is None or used.used_at is None or session is None or not session.live(now):
        raise RefreshTokenInvalid
    if now - used.used_at <= REFRESH_GRACE:
        child = await _unused(unit, (_child_of(refresh_token, key) for key in keys))
        if child is not None:
            return session, child
    await unit.sessions.end(session.id, at=now)
    await unit.commit()
    raise RefreshTokenInvalid


async def _unused(unit: AccountsUnit, tokens: Iterable[str]) -> str | None:
    for token in tokens:
        known = await unit.sessions.token(token_hash(token))
        if known is not None:
            return token if known.used_at is None else None
    return None


def _child_of(refresh_token: str, key: bytes) -> str:
    return base64.urlsafe_b64encode(keyed_hash(key, "refresh", refresh_token)).rstrip(b"=").decode()


def _pair(access_tokens: AccessTokens, session: Session, refresh_token: str, now: datetime) -> TokenPair:
    access_token = access_tokens.issue(session.account_id, session.id, now)
    return TokenPair(access_token, access_tokens.expires_in, refresh_token)
