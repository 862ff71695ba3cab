"""The in-memory database erases an account with its rows of every module in one transaction, as SQL does."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from parley.core.accounts.model import Account, Identity, IdentityKind
from parley.core.billing.model import Customer, Plan, Subscription, SubscriptionStatus
from parley.core.chat.model import IdempotencyKey, Message, Role, Room, Status
from tests.fakes.accounts import FakeAccountsUnitOfWork
from tests.fakes.billing import FakeBillingUnitOfWork
from tests.fakes.chat import FakeChatUnitOfWork
from tests.fakes.database import FakeDatabase

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
MIRA, RAVI = UUID(int=1), UUID(int=2)


async def fill(database: FakeDatabase, owner: UUID) -> None:
    """An account with rows in every table that refers to accounts."""
    identity = Identity(IdentityKind.EMAIL, f"{owner.int}@example.com")
    async with FakeAccountsUnitOfWork(database)() as unit:
        await unit.accounts.find_or_add(Account(owner, identity, None, None, NOW))
        await unit.commit()
    room = Room(UUID(int=owner.int + 10), owner, "A room", None, None, NOW, NOW)
    question = Message(UUID(int=owner.int + 20), room.id, Role.USER, "A question", Status.COMPLETED, NOW, 1)
    reply = Message(UUID(int=owner.int + 30), room.id, Role.ASSISTANT, "", Status.PENDING, NOW, 2, reply_to=question.id)
    async with FakeChatUnitOfWork(database, basic_limit=5)() as unit:
        await unit.rooms.add(room)
        await unit.messages.add_exchange(question, reply, account_id=owner, charged_on=NOW.date(), most_pending=9)
        await unit.idempotency_keys.remember(room.id, IdempotencyKey("a key", b"a fingerprint"), reply.id, at=NOW)
        await unit.quota.take(owner, now=NOW)
        await unit.commit()
    customer = Customer(f"cus_{owner.int}", owner)
    subscription = Subscription(f"sub_{owner.int}", customer.id, owner, SubscriptionStatus.ACTIVE, NOW, False)
    async with FakeBillingUnitOfWork(database)() as unit:
        await unit.plans.override(owner, Plan.PRO)
        await unit.plans.set_paid_until(owner, NOW)
        await unit.customers.add(customer, now=NOW)
        await unit.subscriptions.put(subscription, account_id=owner, read_number=1, now=NOW)
        await unit.commit()


async def erase(database: FakeDatabase, owner: UUID, *, commit: bool) -> None:
    async with FakeAccountsUnitOfWork(database)() as unit:
        await unit.account_erasure.erase(owner)
        await unit.accounts.remove(owner)
        if commit:
            await unit.commit()


@pytest.fixture
async def database() -> FakeDatabase:
    database = FakeDatabase(lambda: NOW)
    await fill(database, RAVI)
    return database


async def test_erasure_removes_the_rows_of_every_module_and_leaves_a_customer_erasure(database):
    ravis = database.committed.copy()
    await fill(database, MIRA)
    assert database.committed.usage_days[MIRA, date(2026, 3, 14)].used == 1
    await erase(database, MIRA, commit=True)

    ravis.customer_erasures["cus_1"] = (0, NOW)
    assert database.committed == ravis


async def test_rollback_undoes_an_erasure_in_every_module(database):
    before = database.committed.copy()
    await erase(database, RAVI, commit=False)

    assert database.committed == before
