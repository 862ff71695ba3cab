"""Accounts, codes, signups and sessions in SQL."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, CursorResult, Row, delete, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from parley.adapters.sql.database import Database
from parley.adapters.sql.tables import accounts, challenges, refresh_tokens, sessions, signups
from parley.core.accounts.model import (
    Account,
    Challenge,
    Identity,
    IdentityKind,
    OpenedBy,
    Purpose,
    RefreshToken,
    Session,
    Signup,
)
from parley.core.accounts.ports import AccountsUnit

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
        self.signups = SqlSignups(connection)
        self.sessions = SqlSessions(connection)

    async def commit(self) -> None:
        await self._connection.commit()


class SqlAccounts:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert

    async def get(self, account_id: UUID) -> Account | None:
        return _one_account(await self._connection.execute(select(accounts).where(accounts.c.id == account_id)))

    async def find(self, identity: Identity, *, keep: bool = False) -> Account | None:
        query = select(accounts).where(_identity_columns[identity.kind] == identity.value)
        if keep:
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
            found = await self.find(account.identity, keep=True)
            # None: erased between the two statements, so the identity is free again.
            if found is not None:
                return found, False

    async def rename(self, account_id: UUID, name: str | None) -> Account | None:
        renamed = await self._connection.execute(
            update(accounts).where(accounts.c.id == account_id).values(name=name).returning(*accounts.c)
        )
        return _one_account(renamed)

    async def replace_password(self, account_id: UUID, *, old: str, new: str) -> bool:
        replaced = await self._connection.execute(
            update(accounts)
            .where(accounts.c.id == account_id, accounts.c.password_hash == old)
            .values(password_hash=new)
        )
        return replaced.rowcount == 1


class SqlChallenges:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert

    async def put(self, challenge: Challenge) -> None:
        values = {
            "code_mac": challenge.code_mac,
            "tries": challenge.tries,
            "expires_at": challenge.expires_at,
            "spent_at": challenge.spent_at,
        }
        await self._connection.execute(
            self._insert(challenges)
            .values(identity=str(challenge.identity), purpose=challenge.purpose.value, **values)
            .on_conflict_do_update(index_elements=["identity", "purpose"], set_=values)
        )

    async def count_try(self, identity: Identity, purpose: Purpose, *, limit: int, now: datetime) -> bytes | None:
        counted = await self._connection.execute(
            update(challenges)
            .where(*_unspent(identity, purpose), challenges.c.expires_at > now, challenges.c.tries < limit)
            .values(tries=challenges.c.tries + 1)
            .returning(challenges.c.code_mac)
        )
        code_mac: bytes | None = counted.scalar_one_or_none()
        return code_mac

    async def spend(self, identity: Identity, purpose: Purpose, code_mac: bytes, *, at: datetime) -> bool:
        spent = await self._connection.execute(
            update(challenges)
            .where(*_unspent(identity, purpose), challenges.c.code_mac == code_mac)
            .values(spent_at=at)
        )
        return spent.rowcount == 1

    async def forget_expired(self, now: datetime) -> int:
        forgotten = await self._connection.execute(delete(challenges).where(challenges.c.expires_at <= now))
        return forgotten.rowcount


class SqlSignups:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, signup: Signup) -> None:
        await self._connection.execute(insert(signups).values(asdict(signup) | {"identity": str(signup.identity)}))

    async def get(self, token_hash: bytes) -> Signup | None:
        found = await self._connection.execute(select(signups).where(signups.c.token_hash == token_hash))
        row = found.one_or_none()
        if row is None:
            return None
        kind, _, value = row.identity.partition(":")
        identity = Identity(IdentityKind(kind), value)
        return Signup(row.token_hash, identity, row.name, row.password_hash, row.expires_at)

    async def remove(self, token_hash: bytes) -> None:
        await self._connection.execute(delete(signups).where(signups.c.token_hash == token_hash))

    async def forget_expired(self, now: datetime) -> int:
        forgotten = await self._connection.execute(delete(signups).where(signups.c.expires_at <= now))
        return forgotten.rowcount


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


def _unspent(identity: Identity, purpose: Purpose) -> tuple[ColumnElement[bool], ...]:
    return (
        challenges.c.identity == str(identity),
        challenges.c.purpose == purpose.value,
        challenges.c.spent_at.is_(None),
    )


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


def _session(row: Row[Any]) -> Session:
    return Session(**row._asdict() | {"opened_by": OpenedBy(row.opened_by)})
