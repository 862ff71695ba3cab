"""Accounts in SQL."""

from datetime import UTC
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, select, update

from parley.adapters.sql.engine.statements import Statement, Upsert, given
from parley.adapters.sql.engine.tables import accounts
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.adapters.sql.noted_statistics import NOTE, SIGNED_UP
from parley.core.accounts.model import Account, Identity, IdentityKind

account_columns = (
    accounts.c.id,
    accounts.c.mobile_number,
    accounts.c.email,
    accounts.c.name,
    accounts.c.password_hash,
    accounts.c.created_at,
    accounts.c.suspended_at,
)
_identity_columns = {IdentityKind.MOBILE_NUMBER: accounts.c.mobile_number, IdentityKind.EMAIL: accounts.c.email}
_this_account = accounts.c.id == bindparam("account")
_get = select(*account_columns).where(_this_account)
_GET = Statement(_get)
_LOCK = Statement(_get.with_for_update())
_find = {
    kind: select(*account_columns).where(column == bindparam("identity")) for kind, column in _identity_columns.items()
}
_FIND = {kind: Statement(query) for kind, query in _find.items()}
# FOR KEY SHARE: other sign-ins go on, an erasure waits. SQLite has one writer anyway.
_FIND_AND_KEEP = {kind: Statement(query.with_for_update(read=True, key_share=True)) for kind, query in _find.items()}
_ADD = {
    kind: Upsert(
        accounts,
        lambda insert, column=column: insert.values(  # type: ignore[misc]  # mypy infers no type for the default
            given("id", "name", "password_hash", "created_at") | {column.name: bindparam("identity")}
        ).on_conflict_do_nothing(index_elements=[column.name]),
    )
    for kind, column in _identity_columns.items()
}
_RENAME = Statement(update(accounts).where(_this_account).values(given("name")).returning(*account_columns))
_set_password = update(accounts).where(_this_account).values(password_hash=bindparam("new"))
_SET_PASSWORD = Statement(_set_password)
_REPLACE_PASSWORD = Statement(_set_password.where(accounts.c.password_hash.is_not_distinct_from(bindparam("old"))))
_REMOVE = Statement(delete(accounts).where(_this_account))


class SqlAccounts(SqlStore):
    async def get(self, account_id: UUID) -> Account | None:
        return account_of(await self._transaction.one_or_none(_GET, account=account_id))

    async def find(self, identity: Identity, *, prevent_erasure: bool = False) -> Account | None:
        statement = (_FIND_AND_KEEP if prevent_erasure else _FIND)[identity.kind]
        return account_of(await self._transaction.one_or_none(statement, identity=identity.value))

    async def find_or_add(self, account: Account) -> tuple[Account, bool]:
        while True:
            added = await self._transaction.execute(
                _ADD[account.identity.kind],
                id=account.id,
                identity=account.identity.value,
                name=account.name,
                password_hash=account.password_hash,
                created_at=account.created_at,
            )
            if added == 1:
                day = account.created_at.astimezone(UTC).date()
                await self._transaction.execute(NOTE, day=day, **SIGNED_UP)
                return account, True
            found = await self.find(account.identity, prevent_erasure=True)
            # None: erased between the two statements, so the identity is free again.
            if found is not None:
                return found, False

    async def rename(self, account_id: UUID, name: str | None) -> Account | None:
        return account_of(await self._transaction.one_or_none(_RENAME, account=account_id, name=name))

    async def lock(self, account_id: UUID) -> Account | None:
        return account_of(await self._transaction.one_or_none(_LOCK, account=account_id))

    async def set_password(self, account_id: UUID, new: str) -> bool:
        return await self._transaction.execute(_SET_PASSWORD, account=account_id, new=new) == 1

    async def replace_password(self, account_id: UUID, *, old: str | None, new: str) -> bool:
        return await self._transaction.execute(_REPLACE_PASSWORD, account=account_id, old=old, new=new) == 1

    async def remove(self, account_id: UUID) -> bool:
        return await self._transaction.execute(_REMOVE, account=account_id) == 1


def account_of(row: Any) -> Account | None:
    if row is None:
        return None
    id_, mobile_number, email, name, password_hash, created_at, suspended_at = row
    identity = (
        Identity(IdentityKind.EMAIL, email)
        if mobile_number is None
        else Identity(IdentityKind.MOBILE_NUMBER, mobile_number)
    )
    return Account(id_, identity, name, password_hash, created_at, suspended_at)
