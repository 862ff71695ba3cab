"""Rows that were there before a migration, in every database that parley can use."""

from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import Any
from uuid import UUID

from alembic import command
from sqlalchemy import Connection, Table, insert, select

from parley.adapters.sql.billing.plans import PlanLimits
from parley.adapters.sql.chat.unit_of_work import SqlChatUnitOfWork
from parley.adapters.sql.engine.migrate import migrate
from parley.adapters.sql.engine.tables import (
    accounts,
    challenges,
    deliveries,
    messages,
    refresh_tokens,
    revoked_sessions,
    rooms,
    sessions,
    signups,
)
from parley.core.chat.parts import Part, PartKind
from parley.core.chat.search import BATCH, BATCHES_OF_A_SWEEP, index_waiting, search
from parley.core.chat.tokens import TokenUsage
from tests.contracts.chat_fixtures import store_over
from tests.contracts.databases import opened
from tests.contracts.migrations_fixtures import applied, every_new_url, moved, revisions
from tests.fakes.plans import plans_of

new_url = every_new_url
NOW = datetime(2026, 3, 14, 12, 0, 0, 123456, tzinfo=UTC)
ID = UUID(int=1)
# Of the first revision, in an order that their keys allow.
ROWS: dict[Table, dict[str, Any]] = {
    accounts: {"id": ID, "email": "mira@example.com", "created_at": NOW},
    challenges: {"identity": "email:a", "purpose": "reset", "code_mac": b"m" * 32, "tries": 3, "expires_at": NOW},
    signups: {"token_hash": b"s" * 32, "identity": "email:a", "name": "Mira", "expires_at": NOW},
    sessions: {
        "id": ID,
        "account_id": ID,
        "opened_by": "code",
        "opened_at": NOW,
        "last_used_at": NOW,
        "expires_at": NOW,
    },
    refresh_tokens: {"token_hash": b"t" * 32, "session_id": ID, "issued_at": NOW, "used_at": NOW},
}


def fill(connection: Connection) -> None:
    for table, row in ROWS.items():
        connection.execute(insert(table).values(row))


def kept_rows(connection: Connection) -> dict[Table, dict[str, Any]]:
    """As much of them as the first revision has columns for."""
    kept = {table: connection.execute(select(*(table.c[name] for name in row))).one() for table, row in ROWS.items()}
    return {table: row._asdict() for table, row in kept.items()}


async def test_rows_are_kept_through_every_step_up_and_down(new_url):
    first, *later = revisions()[1:]
    async with opened(new_url()) as database:
        await moved(database, command.upgrade, first)
        await applied(database, fill)
        for below, revision in pairwise([first, *later]):
            for direction, aim in (
                (command.upgrade, revision),
                (command.downgrade, below),
                (command.upgrade, revision),
            ):
                await moved(database, direction, aim)
                assert await applied(database, kept_rows) == ROWS
        await migrate(database)


async def test_what_the_second_revision_added_is_gone_below_it_and_empty_above(new_url):
    def fill_new(connection: Connection) -> None:
        fill(connection)
        connection.execute(sessions.update().values(user_agent="a phone"))
        waiting = {"identity": "email:a", "purpose": "reset", "sealed_code": b"c", "expires_at": NOW}
        connection.execute(insert(deliveries).values(id=ID, claimable_at=NOW, **waiting))
        connection.execute(insert(revoked_sessions).values(session_id=ID, until=NOW, revoked_at=NOW))

    def seen(connection: Connection) -> list[Any]:
        return [
            connection.execute(select(column)).scalars().all()
            for column in (sessions.c.user_agent, deliveries.c.id, revoked_sessions.c.session_id)
        ]

    async with opened(new_url()) as database:
        await moved(database, command.upgrade, "0002")
        await applied(database, fill_new)
        assert await applied(database, seen) == [["a phone"], [ID], [ID]]
        await moved(database, command.downgrade, "0001")
        await moved(database, command.upgrade, "0002")
        assert await applied(database, seen) == [[None], [], []]
        assert await applied(database, kept_rows) == ROWS


async def test_messages_from_before_the_fourth_revision_have_one_part_or_none(new_url):
    text = {"room_id": ID, "account_id": ID, "status": "completed", "created_at": NOW}
    rows = [
        text | {"id": UUID(int=2), "position": 1, "role": "user", "content": "Where?"},
        text | {"id": UUID(int=3), "position": 2, "role": "assistant", "content": "Crete.", "input_tokens": 3},
        text | {"id": UUID(int=4), "position": 3, "role": "assistant", "content": ""},
    ]

    def fill_messages(connection: Connection) -> None:
        fill(connection)
        room = {"id": ID, "account_id": ID, "name": "A room", "created_at": NOW, "active_at": NOW}
        connection.execute(insert(rooms).values(room))
        for row in rows:
            connection.execute(insert(messages).values(row))

    async with opened(new_url()) as database:
        await moved(database, command.upgrade, "0003")
        await applied(database, fill_messages)
        await moved(database, command.upgrade, "head")
        async with SqlChatUnitOfWork(database, PlanLimits(plans_of(1)))(read_only=True) as unit:
            found = await unit.messages.page(ID, ID, before=None, limit=10)

    assert [message.content for message in found] == ["Where?", "Crete.", ""]
    assert [message.parts for message in found] == [
        (Part(PartKind.TEXT, "Where?"),), (Part(PartKind.TEXT, "Crete."),), (),
    ]  # fmt: skip
    assert [message.usage for message in found] == [None, TokenUsage(3, None), None]
    assert [message.finish_reason for message in found] == [None] * 3


async def test_messages_from_before_the_search_index_are_found_after_it(new_url):
    """Ended ones, in batches; and one whose reply ends later, as the version before writes it."""
    text = {"room_id": ID, "account_id": ID, "role": "assistant", "created_at": NOW}
    count = 2 * BATCH * BATCHES_OF_A_SWEEP + 1
    rows = [
        text | {"id": UUID(int=position), "position": position, "content": "An island", "status": "completed"}
        for position in range(1, count)
    ]
    pending = text | {"id": UUID(int=count), "position": count, "content": "", "status": "pending"}

    def fill_messages(connection: Connection) -> None:
        fill(connection)
        room = {"id": ID, "account_id": ID, "name": "Holiday", "created_at": NOW, "active_at": NOW}
        connection.execute(insert(rooms).values(room))
        connection.execute(insert(messages), rows)
        connection.execute(insert(messages).values(pending))

    def end(connection: Connection) -> None:
        connection.execute(
            messages.update().where(messages.c.id == UUID(int=count)).values(status="stopped", content="An islet")
        )

    async with opened(new_url()) as database:
        await moved(database, command.upgrade, "0013")
        await applied(database, fill_messages)
        await migrate(database)
        await applied(database, end)
        chat = store_over(database).chat_ports()
        indexed = [await index_waiting(chat) for _ in range(4)]
        async with chat.uow(read_only=True) as unit:
            assert not await unit.search.is_behind(None)
        page = await search(chat, account_id=ID, query="isl", after=None, limit=100)
        names = await search(chat, account_id=ID, query="holi", after=None, limit=100)

    assert sum(indexed) == count + 1
    assert max(indexed) <= BATCH * BATCHES_OF_A_SWEEP
    assert indexed[-1] == 0
    assert len(page.items) == 100
    assert [item.room.id for item in names.items] == [ID]


async def test_rooms_of_an_older_version_have_names_of_their_accounts(new_url):
    """Also one that the version before titles adds while this one starts."""
    older, newer = ({"id": UUID(int=number), "account_id": ID, "name": "Holiday"} for number in (2, 3))

    def add(connection: Connection, room: dict[str, Any]) -> None:
        connection.execute(insert(rooms).values(room | {"created_at": NOW, "active_at": NOW}))

    async with opened(new_url()) as database:
        await moved(database, command.upgrade, "0022")
        await applied(database, fill)
        await applied(database, partial(add, room=older))
        await migrate(database)
        await applied(database, partial(add, room=newer))
        async with SqlChatUnitOfWork(database, PlanLimits(plans_of(1)))(read_only=True) as unit:
            found = await unit.rooms.page(ID, after=None, limit=10)

    assert [(room.name, room.title_source) for room in found] == [("Holiday", "user")] * 2
