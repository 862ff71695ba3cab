"""Sessions, refresh tokens and revocations in memory."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from parley.core.accounts.model import RefreshToken, Revocation, Session
from parley.core.ports import Clock
from tests.fakes.database import Tables, add, delete_where


class FakeSessions:
    def __init__(self, tables: Tables) -> None:
        self._accounts = tables.accounts
        self._sessions = tables.sessions
        self._tokens = tables.refresh_tokens

    async def add(self, session: Session) -> None:
        if session.account_id not in self._accounts:
            raise LookupError("a session without its account")
        add(self._sessions, session.id, session)

    async def get(self, session_id: UUID) -> Session | None:
        return self._sessions.get(session_id)

    async def extend(self, session_id: UUID, *, at: datetime, until: datetime) -> Session | None:
        session = self._sessions.get(session_id)
        if session is None or not session.live(at):
            return None
        self._sessions[session_id] = replace(session, last_used_at=at, expires_at=until)
        return self._sessions[session_id]

    async def end(self, session_id: UUID, *, at: datetime) -> bool:
        session = self._sessions.get(session_id)
        if session is None or session.ended_at is not None:
            return False
        self._sessions[session_id] = replace(session, ended_at=at)
        return True

    async def page(self, account_id: UUID, *, now: datetime, before: UUID | None, limit: int) -> list[Session]:
        found = [
            session
            for session in self._sessions.values()
            if session.account_id == account_id and session.live(now) and (before is None or session.id < before)
        ]
        return sorted(found, key=lambda session: session.id, reverse=True)[:limit]

    async def end_all(self, account_id: UUID, *, at: datetime, but: UUID | None = None) -> list[UUID]:
        mine = [session.id for session in self._sessions.values() if session.account_id == account_id]
        return [session_id for session_id in mine if session_id != but and await self.end(session_id, at=at)]

    async def forget_used_tokens(self, session_id: UUID, *, before: datetime) -> None:
        delete_where(
            self._tokens,
            lambda token: token.session_id == session_id and token.used_at is not None and token.used_at < before,
        )

    async def forget_before(self, moment: datetime) -> int:
        forgotten = delete_where(
            self._sessions,
            lambda session: session.expires_at < moment or (session.ended_at is not None and session.ended_at < moment),
        )
        delete_where(self._tokens, lambda token: token.session_id not in self._sessions)
        return forgotten

    async def add_token(self, token: RefreshToken) -> None:
        if token.session_id not in self._sessions:
            raise LookupError("a refresh token without its session")
        add(self._tokens, token.token_hash, token)

    async def token(self, token_hash: bytes) -> RefreshToken | None:
        return self._tokens.get(token_hash)

    async def use_token(self, token_hash: bytes, *, at: datetime) -> UUID | None:
        token = self._tokens.get(token_hash)
        if token is None or token.used_at is not None:
            return None
        self._tokens[token_hash] = replace(token, used_at=at)
        return token.session_id


class FakeRevocations:
    def __init__(self, revocations: dict[UUID, tuple[datetime, datetime]], clock: Clock) -> None:
        self._revocations = revocations
        self._clock = clock

    async def add(self, session_ids: Iterable[UUID], *, until: datetime) -> None:
        for session_id in session_ids:
            self._revocations.setdefault(session_id, (until, self._clock()))

    async def latest(self, seconds: float | None) -> list[Revocation]:
        since = None if seconds is None else self._clock() - timedelta(seconds=seconds)
        rows = self._revocations.items()
        return [Revocation(session_id, until) for session_id, (until, at) in rows if since is None or at > since]

    async def has(self, session_id: UUID) -> bool:
        return session_id in self._revocations

    async def forget_expired(self, now: datetime) -> int:
        return delete_where(self._revocations, lambda row: row[0] <= now)
