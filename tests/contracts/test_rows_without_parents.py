"""Messages that releases before the tree have written, before the migration and while the newer release runs."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import Connection, insert, text, update

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.migrate import migrate
from parley.adapters.sql.engine.parents import fill_parents
from parley.adapters.sql.engine.tables import accounts, messages, rooms
from parley.core.chat.model import Room
from parley.core.chat.tree import Siblings
from tests.contracts.chat_fixtures import NOW, store_over
from tests.contracts.migrations_fixtures import applied, every_new_url, moved, opened
from tests.contracts.tree_fixtures import TreeRoom

new_url = every_new_url
ACCOUNT, ROOM = UUID(int=1), UUID(int=2)
BEFORE_THE_TREE = "0010"


def add_room(connection: Connection) -> None:
    connection.execute(insert(accounts).values(id=ACCOUNT, email="mira@example.com", created_at=NOW))
    connection.execute(insert(rooms).values(id=ROOM, account_id=ACCOUNT, name="A room", created_at=NOW, active_at=NOW))


def add_old_exchange(connection: Connection) -> tuple[UUID, UUID]:
    """As those releases do it: the next two positions, and no word of a tree."""
    connection.execute(update(rooms).values(last_position=rooms.c.last_position + 2))
    last = connection.execute(text("SELECT last_position FROM rooms")).scalar_one()
    of_room = {"room_id": ROOM, "account_id": ACCOUNT, "status": "completed", "created_at": NOW}
    question, reply = UUID(int=100 + last - 1), UUID(int=100 + last)
    connection.execute(
        insert(messages).values(of_room | {"id": question, "position": last - 1, "role": "user", "content": "Old?"})
    )
    connection.execute(
        insert(messages).values(
            of_room | {"id": reply, "position": last, "role": "assistant", "content": "Old.", "reply_to": question}
        )
    )
    return question, reply


def tree_in(database: Database) -> TreeRoom:
    return TreeRoom(store_over(database), Room(ROOM, ACCOUNT, "A room", None, None, NOW, NOW))


def stored_parents(connection: Connection) -> list[Any]:
    return list(connection.execute(messages.select().order_by(messages.c.position)).mappings())


@pytest.mark.parametrize("in_batches", [True, False], ids=["parley migrate", "alembic alone"])
async def test_migration_gives_every_message_its_parent(new_url, in_batches):
    async with opened(new_url()) as database:
        await moved(database, command.upgrade, BEFORE_THE_TREE)
        await applied(database, add_room)
        line = [id_ for _ in range(3) for id_ in await applied(database, add_old_exchange)]
        if in_batches:
            await migrate(database)
        else:
            await moved(database, command.upgrade, "head")

        rows = await applied(database, stored_parents)
        assert [row["parent_id"] for row in rows] == [None, *line[:-1]]
        tree = tree_in(database)
        assert await tree.branch() == line
        assert await tree.head() == line[-1]


async def test_exchange_that_an_older_release_adds_later_goes_on_from_the_first_run(new_url):
    async with opened(new_url()) as database:
        await migrate(database)
        await applied(database, add_room)
        tree = tree_in(database)
        line = [id_ for _ in range(2) for id_ in await applied(database, add_old_exchange)]
        assert await tree.branch() == line
        assert (await tree.message(await message(tree, line[2]))).parent_id == line[1]

        new = await tree.post()
        assert new.question.parent_id == line[3]
        edited = await tree.edit(await message(tree, line[2]))
        assert edited.question.siblings == Siblings(1, 2, (line[2], edited.question.id))
        other = await tree.regenerate(await message(tree, line[3]))
        await tree.show(edited.question)
        assert await tree.head() == edited.reply.id

        late = await applied(database, add_old_exchange)
        old_line = [*line, new.question.id, new.reply.id, *late]
        assert await tree.head() == late[1]
        assert await tree.branch() == await tree.branch(await message(tree, late[0])) == old_line
        assert (await message(tree, late[0])).parent_id == new.reply.id
        assert await tree.branch(other.reply) == [*line[:3], other.reply.id]
        assert [exchange.position for exchange in await tree.context(await message(tree, late[1]))] == [11, 6, 4, 2]
        onward = await tree.post(parent=late[1])
        assert await tree.branch() == [*old_line, onward.question.id, onward.reply.id]


async def test_parents_are_filled_while_an_older_release_adds_messages(new_url):
    async with opened(new_url()) as database:
        await moved(database, command.upgrade, BEFORE_THE_TREE)
        await applied(database, add_room)
        line = [id_ for _ in range(5) for id_ in await applied(database, add_old_exchange)]

        async def add_more() -> list[UUID]:
            return [id_ for _ in range(10) for id_ in await applied(database, add_old_exchange)]

        _, more = await asyncio.gather(migrate(database), add_more())
        assert await tree_in(database).branch() == [*line, *more]


async def test_parents_are_filled_in_batches_of_any_size(new_url):
    async with opened(new_url()) as database:
        await migrate(database)
        await applied(database, add_room)
        line = [id_ for _ in range(5) for id_ in await applied(database, add_old_exchange)]
        await fill_parents(database, batch=4)
        assert [row["parent_id"] for row in await applied(database, stored_parents)] == [None, *line[:-1]]
        await fill_parents(database, batch=4)


async def message(tree: TreeRoom, id_: UUID) -> Any:
    found = await tree.store.see(lambda unit: unit.messages.get(id_, ROOM, ACCOUNT))
    assert found is not None
    return found
