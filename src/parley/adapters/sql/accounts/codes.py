"""Requests for codes, in SQL."""

from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from parley.adapters.sql.accounts.identities import read_identity
from parley.adapters.sql.engine.statements import Statement, given
from parley.adapters.sql.engine.tables import challenges as old_challenges
from parley.adapters.sql.engine.tables import code_challenges as challenges
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.accounts.model import Challenge, Identity, Purpose

_names = tuple(field.name for field in fields(Challenge))
_columns = tuple(challenges.c[name] for name in _names)
_this = challenges.c.id_hash == bindparam("challenge")
_of_identity = challenges.c.identity == bindparam("identity")
_unspent = challenges.c.spent_at.is_(None)
_ADD = Statement(insert(challenges).values(given(*_names)))
_GET = Statement(select(*_columns).where(_this))
_LATEST = Statement(
    select(*_columns)
    .where(_of_identity, challenges.c.purpose == bindparam("purpose"), challenges.c.source == bindparam("source_name"))
    .order_by(challenges.c.id.desc())
    .limit(1)
)
_COUNT_TRY = Statement(
    update(challenges)
    .where(_this, _unspent, challenges.c.expires_at > bindparam("now"), challenges.c.tries < bindparam("limit"))
    .values(tries=challenges.c.tries + 1)
    .returning(challenges.c.code_mac)
)
_UNDO_TRY = Statement(update(challenges).where(_this).values(tries=challenges.c.tries - 1))
_SPEND = Statement(update(challenges).where(_this, _unspent).values(spent_at=bindparam("at")))
# Also what older releases have left: it names identities.
_FORGET_EXPIRED, _FORGET_OLD_EXPIRED = (
    Statement(delete(table).where(table.c.expires_at <= bindparam("now"))) for table in (challenges, old_challenges)
)
_FORGET, _FORGET_OLD = (
    Statement(delete(table).where(table.c.identity == bindparam("identity"))) for table in (challenges, old_challenges)
)


class SqlChallenges(SqlStore):
    async def add(self, challenge: Challenge) -> None:
        values = {name: getattr(challenge, name) for name in _names}
        values |= {"identity": str(challenge.identity), "purpose": challenge.purpose.value}
        await self._transaction.execute(_ADD, **values)

    async def get(self, id_hash: bytes) -> Challenge | None:
        return _challenge(await self._transaction.one_or_none(_GET, challenge=id_hash))

    async def latest(self, identity: Identity, purpose: Purpose, source: str) -> Challenge | None:
        row = await self._transaction.one_or_none(
            _LATEST, identity=str(identity), purpose=purpose.value, source_name=source
        )
        return _challenge(row)

    async def count_try(self, id_hash: bytes, *, limit: int, now: datetime) -> bytes | None:
        code_mac: bytes | None = await self._transaction.scalar(_COUNT_TRY, challenge=id_hash, limit=limit, now=now)
        return code_mac

    async def undo_try(self, id_hash: bytes) -> None:
        await self._transaction.execute(_UNDO_TRY, challenge=id_hash)

    async def spend(self, id_hash: bytes, *, at: datetime) -> bool:
        return await self._transaction.execute(_SPEND, challenge=id_hash, at=at) == 1

    async def forget_expired(self, now: datetime) -> int:
        forgotten = await self._transaction.execute(_FORGET_EXPIRED, now=now)
        return forgotten + await self._transaction.execute(_FORGET_OLD_EXPIRED, now=now)

    async def forget(self, identity: Identity) -> None:
        await self._transaction.execute(_FORGET, identity=str(identity))
        await self._transaction.execute(_FORGET_OLD, identity=str(identity))


def _challenge(row: Any) -> Challenge | None:
    if row is None:
        return None
    id_, id_hash, identity, purpose, *rest = row
    return Challenge(id_, id_hash, read_identity(identity), Purpose(purpose), *rest)
