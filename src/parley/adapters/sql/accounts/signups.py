"""What signups asked for, in SQL."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select

from parley.adapters.sql.accounts.identities import read_identity
from parley.adapters.sql.engine.statements import Statement, given
from parley.adapters.sql.engine.tables import signups
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.accounts.model import Identity, Signup

_columns = ("token_hash", "identity", "name", "password_hash", "expires_at")
_this_signup = signups.c.token_hash == bindparam("token_hash")
_ADD = Statement(insert(signups).values(given(*_columns)))
_GET = Statement(select(*(signups.c[name] for name in _columns)).where(_this_signup))
_REMOVE = Statement(delete(signups).where(_this_signup))
_FORGET_EXPIRED = Statement(delete(signups).where(signups.c.expires_at <= bindparam("now")))
_FORGET = Statement(delete(signups).where(signups.c.identity == bindparam("identity")))


class SqlSignups(SqlStore):
    async def add(self, signup: Signup) -> None:
        await self._transaction.execute(_ADD, **asdict(signup) | {"identity": str(signup.identity)})

    async def get(self, token_hash: bytes) -> Signup | None:
        row = await self._transaction.one_or_none(_GET, token_hash=token_hash)
        if row is None:
            return None
        token_hash, identity, name, password_hash, expires_at = row
        return Signup(token_hash, read_identity(identity), name, password_hash, expires_at)

    async def remove(self, token_hash: bytes) -> None:
        await self._transaction.execute(_REMOVE, token_hash=token_hash)

    async def forget_expired(self, now: datetime) -> int:
        return await self._transaction.execute(_FORGET_EXPIRED, now=now)

    async def forget(self, identity: Identity) -> None:
        await self._transaction.execute(_FORGET, identity=str(identity))
