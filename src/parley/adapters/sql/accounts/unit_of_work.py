"""Accounts in SQL, and the unit of work of everything about them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from parley.adapters.sql.accounts.codes import SqlChallenges, SqlDeliveries, SqlSignups
from parley.adapters.sql.accounts.erasure import SqlAccountErasure
from parley.adapters.sql.accounts.sessions import SqlRevocations, SqlSessions
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.tables import accounts
from parley.core.accounts.model import Account, Identity, IdentityKind
from parley.core.accounts.stores import AccountsUnit

_identity_columns = {IdentityKind.MOBILE_NUMBER: accounts.c.mobile_number, IdentityKind.EMAIL: accounts.c.email}


class SqlAccountsUnitOfWork:
    """Transactions over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False) -> AsyncGenerator[AccountsUnit, None]:
        async with self._database.transaction(read_only=read_only) as connection:
            yield SqlAccountsUnit(connection)


class SqlAccountsUnit:
    """The repositories of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.accounts = SqlAccounts(connection)
        self.challenges = SqlChallenges(connection)
        self.deliveries = SqlDeliveries(connection)
        self.signups = SqlSignups(connection)
        self.sessions = SqlSessions(connection)
        self.revocations = SqlRevocations(connection)
        self.account_erasure = SqlAccountErasure(connection)

    async def commit(self) -> None:
        await self._connection.commit()


class SqlAccounts:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert

    async def get(self, account_id: UUID) -> Account | None:
        return _one_account(await self._connection.execute(select(accounts).where(accounts.c.id == account_id)))

    async def find(self, identity: Identity, *, prevent_erasure: bool = False) -> Account | None:
        query = select(accounts).where(_identity_columns[identity.kind] == identity.value)
        if prevent_erasure:
            # FOR KEY SHARE: other sign-ins go on, an erasure waits. SQLite has one writer anyway.
            query = query.with_for_update(read=True, key_share=True)
        return _one_account(await self._connection.execute(query))

    async def find_or_add(self, account: Account) -> tuple[Account, bool]:
        column = _identity_columns[account.identity.kind]
        adding = (
            self._insert(accounts)
            .values(
                id=account.id,
                name=account.name,
                password_hash=account.password_hash,
                created_at=account.created_at,
                **{column.name: account.identity.value},
            )
            .on_conflict_do_nothing(index_elements=[column.name])
        )
        while True:
            added = await self._connection.execute(adding)
            if added.rowcount == 1:
                return account, True
            found = await self.find(account.identity, prevent_erasure=True)
            # None: erased between the two statements, so the identity is free again.
            if found is not None:
                return found, False

    async def rename(self, account_id: UUID, name: str | None) -> Account | None:
        renamed = await self._connection.execute(
            update(accounts).where(accounts.c.id == account_id).values(name=name).returning(*accounts.c)
        )
        return _one_account(renamed)

    async def lock(self, account_id: UUID) -> Account | None:
        query = select(accounts).where(accounts.c.id == account_id).with_for_update()
        return _one_account(await self._connection.execute(query))

    async def set_password(self, account_id: UUID, new: str) -> bool:
        written = await self._connection.execute(
            update(accounts).where(accounts.c.id == account_id).values(password_hash=new)
        )
        return written.rowcount == 1

    async def replace_password(self, account_id: UUID, *, old: str | None, new: str) -> bool:
        replaced = await self._connection.execute(
            update(accounts)
            .where(accounts.c.id == account_id, accounts.c.password_hash.is_not_distinct_from(old))
            .values(password_hash=new)
        )
        return replaced.rowcount == 1

    async def remove(self, account_id: UUID) -> bool:
        removed = await self._connection.execute(delete(accounts).where(accounts.c.id == account_id))
        return removed.rowcount == 1


def _one_account(rows: CursorResult[Any]) -> Account | None:
    row = rows.one_or_none()
    if row is None:
        return None
    identity = (
        Identity(IdentityKind.EMAIL, row.email)
        if row.mobile_number is None
        else Identity(IdentityKind.MOBILE_NUMBER, row.mobile_number)
    )
    return Account(row.id, identity, row.name, row.password_hash, row.created_at)
