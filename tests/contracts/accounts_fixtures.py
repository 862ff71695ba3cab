"""Every implementation of AccountsUnitOfWork, empty, for contract tests, and functions that fill it.

Leases use the store's own clock, so tests use leases and delays of 0 seconds instead of waiting.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import pytest

from parley.adapters.sql.accounts.unit_of_work import SqlAccountsUnitOfWork
from parley.core.accounts.model import Account, Identity, IdentityKind, OpenedBy, RefreshToken, Session
from parley.core.accounts.stores import AccountsUnit, AccountsUnitOfWork
from tests.contracts.databases import EVERY, new_id
from tests.fakes.accounts import FakeAccountsUnitOfWork
from tests.fakes.database import FakeDatabase

MIRA = Identity(IdentityKind.EMAIL, "mira@example.com")
RAVI = Identity(IdentityKind.MOBILE_NUMBER, "+919876543210")
NOW = datetime(2026, 3, 14, 12, 0, 0, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NOBODY = UUID(int=0)

_Result = TypeVar("_Result")


async def do(uow: AccountsUnitOfWork, step: Callable[[AccountsUnit], Awaitable[_Result]]) -> _Result:
    """Run one step in its own transaction and commit."""
    async with uow() as unit:
        result = await step(unit)
        await unit.commit()
    return result


async def see(uow: AccountsUnitOfWork, step: Callable[[AccountsUnit], Awaitable[_Result]]) -> _Result:
    async with uow(read_only=True) as unit:
        return await step(unit)


def new_account(identity: Identity = MIRA, **changes: object) -> Account:
    return replace(Account(new_id(), identity, "Mira", "a hash", NOW), **changes)


async def stored_account(uow: AccountsUnitOfWork, identity: Identity = MIRA) -> Account:
    """The account of the identity, created if necessary."""
    account, _ = await do(uow, lambda unit: unit.accounts.find_or_add(new_account(identity)))
    return account


async def stored_session(uow: AccountsUnitOfWork, identity: Identity = MIRA, **changes: object) -> Session:
    account = await stored_account(uow, identity)
    session = replace(Session(new_id(), account.id, OpenedBy.CODE, NOW, NOW, NOW + SECOND), **changes)
    await do(uow, lambda unit: unit.sessions.add(session))
    return session


async def stored_token(uow: AccountsUnitOfWork, session: Session, **changes: object) -> RefreshToken:
    token = replace(RefreshToken(new_id().bytes * 2, session.id, NOW), **changes)
    await do(uow, lambda unit: unit.sessions.add_token(token))
    return token


@pytest.fixture(params=EVERY)
async def every_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[AccountsUnitOfWork, None]:
    async with request.param(tmp_path) as database:
        in_memory = isinstance(database, FakeDatabase)
        yield FakeAccountsUnitOfWork(database) if in_memory else SqlAccountsUnitOfWork(database)
