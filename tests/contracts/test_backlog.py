"""Counts of waiting work in the database, on SQLite and PostgreSQL."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import bindparam, update

from parley.adapters.sql.backlog import SqlBacklog
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import messages
from parley.adapters.sql.webhooks.unit_of_work import SqlWebhooksUnitOfWork
from parley.core.accounts.model import Delivery, Identity, IdentityKind, Purpose
from parley.core.backlog import Backlog, Waiting
from parley.core.billing.model import ProviderEvent, StoredEvent
from parley.core.errors import Unavailable
from tests.contracts.chat_fixtures import LONG, NOW, Store, new_id, store_over
from tests.contracts.databases import SQL
from tests.contracts.test_postgres_plans import BACKLOG, filled_database, kept_plans, run, scans
from tests.contracts.webhook_fixtures import ENDPOINT, a_delivery

NONE = Waiting(0, 0.0)
# Upper bound, in seconds, for a test on a slow machine.
SLACK = 60.0


@dataclass(frozen=True)
class Scenario:
    database: Database
    store: Store
    read: SqlBacklog

    async def change(self, *ids: UUID, **values: object) -> None:
        async with self.database.transaction() as transaction:
            for id_ in ids:
                change = Statement(update(messages).where(messages.c.id == bindparam("message")).values(**values))
                await transaction.execute(change, message=id_)
            await transaction.commit()


@pytest.fixture(params=SQL)
async def scenario(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Scenario, None]:
    async with request.param(tmp_path) as database:
        yield Scenario(database, store_over(database), SqlBacklog(database))


async def test_empty_database_has_no_backlog(scenario):
    assert await scenario.read() == Backlog(
        pending=0, generating=0, due=NONE, codes=NONE, events=NONE, customer_erasures=0, deliveries=NONE
    )


async def test_replies_are_counted_by_status_and_due_ones_separately(scenario):
    room = await scenario.store.new_room()
    held = await scenario.store.new_reply(room)
    await scenario.store.new_reply(room)
    await scenario.store.new_reply()
    await scenario.store.claim(held, lease=LONG)
    backlog = await scenario.read()
    assert (backlog.pending, backlog.generating) == (2, 1)
    assert backlog.due.count == 1
    assert 0 <= backlog.due.seconds < SLACK


async def test_expired_lease_counts_as_due_but_a_delay_does_not(scenario):
    lost, later = await scenario.store.new_reply(), await scenario.store.new_reply()
    await scenario.store.claim(lost, lease=0)
    claim = await scenario.store.claim(later)
    await scenario.store.do(lambda unit: unit.replies.postpone(claim, seconds=LONG))
    backlog = await scenario.read()
    assert (backlog.pending, backlog.generating, backlog.due.count) == (1, 1, 1)


async def test_reply_waits_since_the_previous_one_ended(scenario):
    room = await scenario.store.new_room()
    first = await scenario.store.new_reply(room)
    second = await scenario.store.new_reply(room)
    await scenario.change(first.id, second.id, claimable_at=NOW)
    assert (await scenario.read()).due.seconds > LONG
    await scenario.store.end(await scenario.store.claim(first))
    await scenario.change(first.id, completed_at=datetime.now(UTC))
    backlog = await scenario.read()
    assert backlog.due.count == 1
    assert backlog.due.seconds < SLACK


async def test_codes_and_events_count_until_they_are_handled(scenario):
    identity = Identity(IdentityKind.EMAIL, "mira@example.com")
    async with scenario.store.accounts() as unit:
        await unit.deliveries.put(Delivery(new_id(), identity, Purpose.SIGN_IN, b"sealed", NOW + timedelta(hours=1)))
        await unit.commit()
    async with scenario.store.billing() as unit:
        waiting = StoredEvent(new_id(), ProviderEvent("evt_1", "invoice.paid", None, None))
        await unit.events.add(waiting, handled=False, now=NOW)
        handled = StoredEvent(new_id(), ProviderEvent("evt_2", "invoice.paid", None, None))
        await unit.events.add(handled, handled=True, now=NOW)
        await unit.commit()
    backlog = await scenario.read()
    assert backlog.codes.count == 1
    assert 0 <= backlog.codes.seconds < SLACK
    assert backlog.events.count == 1
    assert backlog.events.seconds > LONG


async def test_deliveries_of_webhooks_count_until_they_have_ended(scenario):
    deliveries = [a_delivery() for _ in range(3)]
    async with scenario.store.chat() as unit:
        await unit.outgoing_events.add(deliveries)
        await unit.commit()
    async with SqlWebhooksUnitOfWork(scenario.database)() as unit:
        delivered, failed, _ = await unit.deliveries.claim(ENDPOINT, lease=0, limit=10)
        await unit.deliveries.delivered(delivered)
        await unit.deliveries.fail(failed, error="Gone.")
        await unit.commit()
    waiting = (await scenario.read()).deliveries
    assert waiting.count == 1
    assert 0 <= waiting.seconds < SLACK


async def test_database_without_tables_is_unavailable(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(Unavailable):
        await SqlBacklog(database)()
    await database.close()


HANDLED = """
INSERT INTO events (id, provider_id, kind, received_at, handled_at)
    SELECT gen_random_uuid(), number, 'invoice.paid', now(), now() FROM generate_series(1, 20000) number;
INSERT INTO webhook_deliveries (id, event_id, endpoint, kind, account_id, occurred_at, data, ended_at)
    SELECT gen_random_uuid(), gen_random_uuid(), 'hooks', 'plan.changed', gen_random_uuid(), now(), '{}', now()
    FROM generate_series(1, 20000);
ANALYZE events, webhook_deliveries;
"""


async def test_scrapes_read_what_waits_and_not_what_is_done():
    async with filled_database() as database:
        await run(database, HANDLED)
        await run(database, BACKLOG)
        assert (await SqlBacklog(database)()).due.count == 100
        plans = [scans(plan) for plan in await kept_plans(database)]
    indexes = {"ix_messages_unfinished", "uq_messages_room_id_position", "ix_events_claimable_at"}
    indexes |= {"ix_webhook_deliveries_gives_up_at"}
    # These two tables hold only waiting rows.
    assert set().union(*plans) == indexes | {"messages_to_owners", "closures"}
