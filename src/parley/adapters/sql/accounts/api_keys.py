"""API keys in SQL."""

from dataclasses import asdict, fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import Id, accounts, api_keys
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.accounts.api_key_store import ApiKey

_names = tuple(field.name for field in fields(ApiKey))
_columns = tuple(api_keys.c[name] for name in _names)
_this_key = api_keys.c.id == bindparam("key")
_of_account = api_keys.c.account_id == bindparam("account", type_=Id)
# FOR NO KEY UPDATE, as a new room locks it.
_LOCK_ACCOUNT = Statement(
    select(accounts.c.id).where(accounts.c.id == bindparam("account")).with_for_update(key_share=True)
)
_number = select(func.count()).select_from(api_keys).where(_of_account).scalar_subquery()
_ADD = Statement(
    insert(api_keys).from_select(
        list(_names),
        select(*(bindparam(column.name, type_=column.type) for column in _columns)).where(_number < bindparam("most")),
    )
)
_FIND = Statement(select(*_columns).where(api_keys.c.key_hash == bindparam("hash")))
_OWNER = Statement(select(api_keys.c.account_id).where(_this_key))
_page = select(*_columns).where(_of_account).order_by(api_keys.c.id.desc()).limit(bindparam("most"))
_FIRST_PAGE = Statement(_page)
# Ids are UUIDv7: their order is that of creation.
_NEXT_PAGE = Statement(_page.where(api_keys.c.id < bindparam("before")))
_NOTE_USE = Statement(
    update(api_keys)
    .where(_this_key, or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at <= bindparam("earlier")))
    .values(last_used_at=bindparam("at"))
)
_SET_UNMETERED = Statement(
    update(api_keys).where(_this_key).values(unmetered=bindparam("is_unmetered")).returning(*_columns)
)
_REMOVE = Statement(delete(api_keys).where(_this_key, _of_account))
_REMOVE_ALL = Statement(delete(api_keys).where(_of_account).returning(api_keys.c.id))
_FORGET_EXPIRED = Statement(delete(api_keys).where(api_keys.c.expires_at <= bindparam("now")))


class SqlApiKeys(SqlStore):
    async def add(self, key: ApiKey, *, most: int) -> bool:
        await self._transaction.all(_LOCK_ACCOUNT, account=key.account_id)
        return await self._transaction.execute(_ADD, account=key.account_id, most=most, **asdict(key)) == 1

    async def find(self, key_hash: bytes) -> ApiKey | None:
        row = await self._transaction.one_or_none(_FIND, hash=key_hash)
        return None if row is None else ApiKey(*row)

    async def owner(self, key_id: UUID) -> UUID | None:
        owner: UUID | None = await self._transaction.scalar(_OWNER, key=key_id)
        return owner

    async def page(self, account_id: UUID, *, before: UUID | None, limit: int) -> list[ApiKey]:
        rows = (
            await self._transaction.all(_FIRST_PAGE, account=account_id, most=limit)
            if before is None
            else await self._transaction.all(_NEXT_PAGE, account=account_id, most=limit, before=before)
        )
        return [ApiKey(*row) for row in rows]

    async def note_use(self, key_id: UUID, *, at: datetime, unless_after: datetime) -> None:
        await self._transaction.execute(_NOTE_USE, key=key_id, at=at, earlier=unless_after)

    async def set_unmetered(self, key_id: UUID, *, unmetered: bool) -> ApiKey | None:
        row = await self._transaction.one_or_none(_SET_UNMETERED, key=key_id, is_unmetered=unmetered)
        return None if row is None else ApiKey(*row)

    async def remove(self, key_id: UUID, account_id: UUID) -> bool:
        return await self._transaction.execute(_REMOVE, key=key_id, account=account_id) == 1

    async def remove_all(self, account_id: UUID) -> list[UUID]:
        return await self._transaction.scalars(_REMOVE_ALL, account=account_id)

    async def forget_expired(self, now: datetime) -> int:
        return await self._transaction.execute(_FORGET_EXPIRED, now=now)
