"""Sessions and their refresh tokens, in SQL."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, or_, select, update

from parley.adapters.sql.engine.statements import Statement, given
from parley.adapters.sql.engine.tables import refresh_tokens, sessions
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.accounts.model import OpenedBy, RefreshToken, Session

_names = tuple(field.name for field in fields(Session))
_columns = tuple(sessions.c[name] for name in _names)
_this_session = sessions.c.id == bindparam("session")
_of_account = sessions.c.account_id == bindparam("account")
_not_ended = sessions.c.ended_at.is_(None)
_ADD = Statement(insert(sessions).values(given(*_names)))
_GET = Statement(select(*_columns).where(_this_session))
_EXTEND = Statement(
    update(sessions)
    .where(_this_session, _not_ended, sessions.c.expires_at > bindparam("at"))
    .values(last_used_at=bindparam("at"), expires_at=bindparam("until"))
    .returning(*_columns)
)
_END = Statement(update(sessions).where(_this_session, _not_ended).values(ended_at=bindparam("at")))
_live = (
    select(*_columns)
    .where(_of_account, _not_ended, sessions.c.expires_at > bindparam("now"))
    .order_by(sessions.c.id.desc())
    .limit(bindparam("most"))
)
_FIRST_PAGE = Statement(_live)
# Ids are UUIDv7: their order is that of the sign-ins.
_NEXT_PAGE = Statement(_live.where(sessions.c.id < bindparam("before")))
_END_ALL = Statement(
    update(sessions)
    .where(_of_account, _not_ended, sessions.c.id.is_distinct_from(bindparam("but")))
    .values(ended_at=bindparam("at"))
    .returning(sessions.c.id)
)
_FORGET_USED_TOKENS = Statement(
    delete(refresh_tokens).where(
        refresh_tokens.c.session_id == bindparam("session"), refresh_tokens.c.used_at < bindparam("before")
    )
)
_FORGET_SESSIONS = Statement(
    delete(sessions).where(or_(sessions.c.ended_at < bindparam("moment"), sessions.c.expires_at < bindparam("moment")))
)

_token_names = tuple(field.name for field in fields(RefreshToken))
_this_token = refresh_tokens.c.token_hash == bindparam("token_hash")
_ADD_TOKEN = Statement(insert(refresh_tokens).values(given(*_token_names)))
_GET_TOKEN = Statement(select(*(refresh_tokens.c[name] for name in _token_names)).where(_this_token))
_USE_TOKEN = Statement(
    update(refresh_tokens)
    .where(_this_token, refresh_tokens.c.used_at.is_(None))
    .values(used_at=bindparam("at"))
    .returning(refresh_tokens.c.session_id)
)


class SqlSessions(SqlStore):
    async def add(self, session: Session) -> None:
        await self._transaction.execute(_ADD, **asdict(session) | {"opened_by": session.opened_by.value})

    async def get(self, session_id: UUID) -> Session | None:
        row = await self._transaction.one_or_none(_GET, session=session_id)
        return None if row is None else _session(row)

    async def extend(self, session_id: UUID, *, at: datetime, until: datetime) -> Session | None:
        row = await self._transaction.one_or_none(_EXTEND, session=session_id, at=at, until=until)
        return None if row is None else _session(row)

    async def end(self, session_id: UUID, *, at: datetime) -> bool:
        return await self._transaction.execute(_END, session=session_id, at=at) == 1

    async def page(self, account_id: UUID, *, now: datetime, before: UUID | None, limit: int) -> list[Session]:
        wanted = {"account": account_id, "now": now, "most": limit}
        rows = (
            await self._transaction.all(_FIRST_PAGE, **wanted)
            if before is None
            else await self._transaction.all(_NEXT_PAGE, before=before, **wanted)
        )
        return [_session(row) for row in rows]

    async def end_all(self, account_id: UUID, *, at: datetime, but: UUID | None = None) -> list[UUID]:
        return await self._transaction.scalars(_END_ALL, account=account_id, at=at, but=but)

    async def forget_used_tokens(self, session_id: UUID, *, before: datetime) -> None:
        await self._transaction.execute(_FORGET_USED_TOKENS, session=session_id, before=before)

    async def forget_before(self, moment: datetime) -> int:
        return await self._transaction.execute(_FORGET_SESSIONS, moment=moment)

    async def add_token(self, token: RefreshToken) -> None:
        await self._transaction.execute(_ADD_TOKEN, **asdict(token))

    async def token(self, token_hash: bytes) -> RefreshToken | None:
        row = await self._transaction.one_or_none(_GET_TOKEN, token_hash=token_hash)
        return None if row is None else RefreshToken(*row)

    async def use_token(self, token_hash: bytes, *, at: datetime) -> UUID | None:
        session_id: UUID | None = await self._transaction.scalar(_USE_TOKEN, token_hash=token_hash, at=at)
        return session_id


def _session(row: Any) -> Session:
    values = dict(zip(_names, row, strict=True))
    return Session(**values | {"opened_by": OpenedBy(values["opened_by"])})
