"""The contract of AccountErasure, for every store: rows of chat and billing go in the transaction of the erasure."""

from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest

from parley.core.accounts.model import Account, Identity, IdentityKind
from parley.core.billing.model import Customer, DayUsage, Subscription, SubscriptionStatus
from parley.core.chat.model import Charge, IdempotencyKey, Message, Role, Room, Status
from parley.core.chat.share_store import Share
from parley.core.plans import BASIC, PRO
from tests.contracts.chat_fixtures import Store, every_store

store = every_store

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
KEY = IdempotencyKey("a key", b"f" * 32)
DAY = DayUsage(date(2026, 3, 14), 1, 0, 0)


async def fill(store: Store, owner: UUID) -> None:
    """An account with rows in every table that refers to accounts."""
    identity = Identity(IdentityKind.EMAIL, f"{owner.hex}@example.com")
    async with store.accounts() as unit:
        await unit.accounts.find_or_add(Account(owner, identity, None, None, NOW))
        await unit.commit()
    room = Room(UUID(int=owner.int + 10), owner, "A room", None, None, NOW, NOW)
    question = Message(
        UUID(int=owner.int + 20), room.id, Role.USER, "A question", Status.COMPLETED, NOW, 1, completed_at=NOW
    )
    reply = Message(
        UUID(int=owner.int + 30),
        room.id,
        Role.ASSISTANT,
        "",
        Status.PENDING,
        NOW,
        2,
        model="a/model",
        reply_to=question.id,
    )
    async with store.chat() as unit:
        await unit.rooms.add(room, most=1)
        await unit.commit()
    async with store.chat() as unit:
        await unit.rooms.reserve(room.id, owner, at=NOW)
        await unit.messages.add_exchange(question, reply, account_id=owner, charge=Charge(NOW.date()), most_pending=9)
        await unit.idempotency_keys.remember(room.id, KEY, reply.id, at=NOW)
        await unit.quota.take(owner, now=NOW)
        await unit.shares.put(Share(room.id, f"token of {owner.hex}", room.name, 1, NOW))
        await unit.commit()
    customer = Customer(f"cus_{owner.hex}", owner)
    subscription = Subscription(f"sub_{owner.hex}", customer.id, owner, SubscriptionStatus.ACTIVE, NOW, False)
    async with store.billing() as unit:
        await unit.plans.override(owner, PRO)
        await unit.customers.add(customer, now=NOW)
        await unit.subscriptions.put(subscription, account_id=owner, read_number=1, now=NOW)
        await unit.commit()


async def erase(store: Store, owner: UUID, *, commit: bool) -> None:
    async with store.accounts() as unit:
        await unit.account_erasure.lock(owner)
        await unit.account_erasure.erase(owner)
        await unit.accounts.remove(owner)
        if commit:
            await unit.commit()


async def stored(store: Store, owner: UUID) -> dict[str, object]:
    room_id = UUID(int=owner.int + 10)
    async with store.chat(read_only=True) as unit:
        chat = {
            "rooms": await unit.rooms.ids(owner),
            "messages": [each.id for each in await unit.messages.page(room_id, owner, before=None, limit=9)],
            "next reply": await unit.replies.next_in_room(room_id),
            "is shared": await unit.shares.find(f"token of {owner.hex}") is not None,
        }
    async with store.billing(read_only=True) as unit:
        return chat | {
            "usage": await unit.usage_days.since(owner, date.min),
            "plan": await unit.plans.of(owner, now=NOW),
            "customers": [each.id for each in await unit.customers.of(owner)],
            "subscriptions": [each.id for each in await unit.subscriptions.of(owner)],
        }


async def claimed_erasures(store: Store) -> list[tuple[str, int]]:
    async with store.billing() as unit:
        return await unit.customer_erasures.claim(lease=60, limit=1_000)


def filled(owner: UUID) -> dict[str, object]:
    return {
        "rooms": [UUID(int=owner.int + 10)],
        "messages": [UUID(int=owner.int + 20), UUID(int=owner.int + 30)],
        "next reply": UUID(int=owner.int + 30),
        "is shared": True,
        "usage": [DAY],
        "plan": PRO,
        "customers": [f"cus_{owner.hex}"],
        "subscriptions": [f"sub_{owner.hex}"],
    }


EMPTY = {
    "rooms": [],
    "messages": [],
    "next reply": None,
    "is shared": False,
    "usage": [],
    "plan": BASIC,
    "customers": [],
    "subscriptions": [],
}


@pytest.mark.parametrize("commit", [True, False], ids=["committed", "rolled back"])
async def test_rows_of_chat_and_billing_go_with_the_erasure_and_leave_a_customer_erasure(store, commit):
    mira, ravi = uuid4(), uuid4()
    for owner in (mira, ravi):
        await fill(store, owner)
    await erase(store, mira, commit=commit)

    assert await stored(store, mira) == (EMPTY if commit else filled(mira))
    assert await stored(store, ravi) == filled(ravi)
    mine = [erasure for erasure in await claimed_erasures(store) if erasure[0] == f"cus_{mira.hex}"]
    assert mine == ([(f"cus_{mira.hex}", 0)] if commit else [])
