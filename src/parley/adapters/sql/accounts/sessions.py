"""Sessions, their refresh tokens, and which of them were revoked, in SQL."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, exists, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.tables import refresh_tokens, revoked_sessions, sessions
from parley.core.accounts.model import OpenedBy, RefreshToken, Revocation, Session


class SqlSessions:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, session: Session) -> None:
        await self._connection.execute(
            insert(sessions).values(asdict(session) | {"opened_by": session.opened_by.value})
        )

    async def get(self, session_id: UUID) -> Session | None:
        found = await self._connection.execute(select(sessions).where(sessions.c.id == session_id))
        row = found.one_or_none()
        return None if row is None else _session(row)

    async def extend(self, session_id: UUID, *, at: datetime, until: datetime) -> Session | None:
        extended = await self._connection.execute(
            update(sessions)
            .where(sessions.c.id == session_id, sessions.c.ended_at.is_(None), sessions.c.expires_at > at)
            .values(last_used_at=at, expires_at=until)
            .returning(*sessions.c)
        )
        row = extended.one_or_none()
        return None if row is None else _session(row)

    async def end(self, session_id: UUID, *, at: datetime) -> bool:
        ended = await self._connection.execute(
            update(sessions).where(sessions.c.id == session_id, sessions.c.ended_at.is_(None)).values(ended_at=at)
        )
        return ended.rowcount == 1

    async def page(self, account_id: UUID, *, now: datetime, before: UUID | None, limit: int) -> list[Session]:
        # Ids are UUIDv7: their order is that of the sign-ins.
        older = [] if before is None else [sessions.c.id < before]
        found = await self._connection.execute(
            select(sessions)
            .where(
                sessions.c.account_id == account_id, sessions.c.ended_at.is_(None), sessions.c.expires_at > now, *older
            )
            .order_by(sessions.c.id.desc())
            .limit(limit)
        )
        return [_session(row) for row in found]

    async def end_all(self, account_id: UUID, *, at: datetime, but: UUID | None = None) -> list[UUID]:
        spared = [] if but is None else [sessions.c.id != but]
        ended = await self._connection.execute(
            update(sessions)
            .where(sessions.c.account_id == account_id, sessions.c.ended_at.is_(None), *spared)
            .values(ended_at=at)
            .returning(sessions.c.id)
        )
        return list(ended.scalars())

    async def forget_tokens(self, moment: datetime) -> int:
        forgotten = await self._connection.execute(delete(refresh_tokens).where(refresh_tokens.c.used_at < moment))
        return forgotten.rowcount

    async def forget_before(self, moment: datetime) -> int:
        over = or_(sessions.c.ended_at < moment, sessions.c.expires_at < moment)
        forgotten = await self._connection.execute(delete(sessions).where(over))
        return forgotten.rowcount

    async def add_token(self, token: RefreshToken) -> None:
        await self._connection.execute(insert(refresh_tokens).values(asdict(token)))

    async def token(self, token_hash: bytes) -> RefreshToken | None:
        found = await self._connection.execute(select(refresh_tokens).where(refresh_tokens.c.token_hash == token_hash))
        row = found.one_or_none()
        return None if row is None else RefreshToken(*row)

    async def use_token(self, token_hash: bytes, *, at: datetime) -> UUID | None:
        used = await self._connection.execute(
            update(refresh_tokens)
            .where(refresh_tokens.c.token_hash == token_hash, refresh_tokens.c.used_at.is_(None))
            .values(used_at=at)
            .returning(refresh_tokens.c.session_id)
        )
        session_id: UUID | None = used.scalar_one_or_none()
        return session_id


class SqlRevocations:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert

    async def add(self, session_ids: Iterable[UUID], *, until: datetime) -> None:
        rows = [{"session_id": session_id, "until": until} for session_id in session_ids]
        if rows:
            adding = self._insert(revoked_sessions).values(revoked_at=database_time()).on_conflict_do_nothing()
            await self._connection.execute(adding, rows)

    async def latest(self, seconds: float | None) -> list[Revocation]:
        query = select(revoked_sessions.c.session_id, revoked_sessions.c.until)
        if seconds is not None:
            query = query.where(revoked_sessions.c.revoked_at > database_time(-seconds))
        return [Revocation(*row) for row in await self._connection.execute(query)]

    async def has(self, session_id: UUID) -> bool:
        found = await self._connection.execute(select(exists().where(revoked_sessions.c.session_id == session_id)))
        return bool(found.scalar_one())

    async def forget_expired(self, now: datetime) -> int:
        forgotten = await self._connection.execute(delete(revoked_sessions).where(revoked_sessions.c.until <= now))
        return forgotten.rowcount


def _session(row: Row[Any]) -> Session:
    return Session(**row._asdict() | {"opened_by": OpenedBy(row.opened_by)})
