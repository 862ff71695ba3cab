"""What older releases have left, or write while this one is rolled out.

Codes of releases up to revision 0004 name identities, so they go as the newer ones do. Releases up to revision 0009
know one paid plan.
"""

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, update

from parley.adapters.sql.engine.statements import Statement, given
from parley.adapters.sql.engine.tables import challenges, deliveries, plans
from parley.core.accounts.erase import erase_account
from parley.core.accounts.sessions import forget_expired
from parley.core.billing.model import FOREVER
from parley.core.plans import BASIC, PRO
from tests.contracts.billing_fixtures import NOW, SECOND, Store, new_id, sql_store
from tests.unit.accounts.environment import MIRA, AccountsEnvironment

store = sql_store


async def add_old_code(store: Store, env: AccountsEnvironment, *, minutes: float) -> None:
    """A code of an older release and its delivery, which expire in that many minutes."""
    who = {
        "identity": str(MIRA),
        "purpose": "sign_in",
        "expires_at": env.now + timedelta(minutes=minutes),
    }
    of_delivery = {"id": new_id(), "sealed_code": b"sealed", "claimable_at": env.now}
    async with store.database.transaction() as transaction:
        for table, values in ((challenges, who | {"code_mac": b"m"}), (deliveries, who | of_delivery)):
            await transaction.execute(Statement(insert(table).values(given(*values))), **values)
        await transaction.commit()


async def old_rows(store: Store) -> int:
    async with store.database.transaction(read_only=True) as transaction:
        counts = [
            await transaction.scalar(Statement(select(func.count()).select_from(table)))
            for table in (challenges, deliveries)
        ]
    return sum(counts)


@pytest.mark.parametrize(("minutes", "left"), [(-1, 0), (1, 2)])
async def test_only_expired_rows_are_forgotten(store, minutes, left):
    env = AccountsEnvironment(store.accounts)
    await add_old_code(store, env, minutes=minutes)

    assert await forget_expired(env.ports) == 2 - left

    assert await old_rows(store) == left


async def test_erasing_the_account_removes_them(store):
    env = AccountsEnvironment(store.accounts)
    signed_in = await env.sign_in()
    await add_old_code(store, env, minutes=10)

    await erase_account(env.ports, account_id=signed_in.account.id)

    assert await old_rows(store) == 0


async def set_paid_as_older_release(store: Store, account_id, until) -> None:
    change = Statement(update(plans).where(plans.c.account_id == account_id).values(given("paid_until")))
    async with store.database.transaction() as transaction:
        await transaction.execute(change, paid_until=until)
        await transaction.commit()


async def test_plan_of_an_older_release_ends_and_begins_after_this_one_has_written(store):
    account_id = await store.new_account()
    await store.do(lambda unit: unit.plans.set_paid(account_id, {PRO: FOREVER}))
    assert await store.plan(account_id) == PRO
    await set_paid_as_older_release(store, account_id, None)
    assert await store.plan(account_id) == BASIC
    await store.do(lambda unit: unit.plans.set_paid(account_id, {PRO: NOW - SECOND}))
    assert await store.plan(account_id) == BASIC
    await set_paid_as_older_release(store, account_id, FOREVER)
    assert await store.plan(account_id) == PRO
