"""The plans of what the API asks PostgreSQL again and again: the index that each is made for, also when it is empty.

A plan is looked at as it is kept for every later execution: made without the values of the parameters.
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg

from parley.adapters.models.offline import OfflineModel
from parley.adapters.sql.billing.plans import PlanLimits
from parley.adapters.sql.chat.acceptance import SqlAcceptance
from parley.adapters.sql.chat.unit_of_work import SqlChatUnit
from parley.adapters.sql.engine.database import Database, Transaction
from parley.adapters.sql.engine.pool import Connection
from parley.core.chat.catalogue import ModelCatalogue, Provider
from parley.core.chat.model import Claim, IdempotencyKey, Room, RoomCursor
from parley.core.chat.search_terms import Term
from parley.core.chat.share_store import Share
from parley.core.chat.title_store import TitleClaim
from parley.core.chat.token_estimates import TokenEstimates
from parley.core.chat.tokens import TokenUsage
from tests.contracts.chat_fixtures import COMPLETED, NOW, TODAY, exchange_at
from tests.contracts.postgres_fixtures import create_database, drop_database, migrated_template
from tests.fakes.plans import plans_of

ACCOUNT = UUID(int=1)
ROOM = UUID(int=2)
REPLY = UUID(int=3)
CLAIM = Claim(REPLY, ROOM, ACCOUNT, 2, None, 1, 0, TODAY, NOW, False)
CATALOGUE = ModelCatalogue({"a": Provider(OfflineModel(0.0), ("model",))}, default="a/model")
TITLE = TitleClaim(ROOM, 2, TODAY, 1, ACCOUNT, None)
KEY = IdempotencyKey("a key", b"f")
SHARE = Share(ROOM, "a token", "A room", 10, NOW)

# 40 accounts of 50 rooms of 10 messages, all ended.
FILL = """
INSERT INTO accounts (id, email, created_at) SELECT gen_random_uuid(), number, now() FROM generate_series(1, 40) number;
INSERT INTO usage_days (account_id, day, used)
    SELECT id, now()::date - days, 1 FROM accounts, generate_series(0, 60) days;
INSERT INTO rooms (id, account_id, name, created_at, active_at)
    SELECT gen_random_uuid(), id, 'A room', now(), now() - make_interval(secs => 1000 * random())
    FROM accounts, generate_series(1, 50);
INSERT INTO idempotency_keys (room_id, key, fingerprint, reply_id, used_at)
    SELECT id, 'a key', '', gen_random_uuid(), now() FROM rooms;
INSERT INTO messages (id, room_id, account_id, position, role, content, status, created_at, claimable_at, queued_at)
    SELECT gen_random_uuid(), id, account_id, position, 'assistant', 'An answer', 'completed', now(), now(), now()
    FROM rooms, generate_series(1, 10) position;
INSERT INTO reply_settings (reply_id, settings) SELECT id, '{}' FROM messages;
INSERT INTO shares (room_id, token, title, last_position, created_at)
    SELECT id, md5(id::text), 'A room', 10, now() FROM rooms;
INSERT INTO title_jobs (room_id, position, charged_on, claimable_at) SELECT id, 2, now(), now() FROM rooms;
INSERT INTO search_sections (account_id, texts) SELECT id, 9 FROM accounts, generate_series(1, 20);
INSERT INTO search_texts (room_id, position, terms)
    SELECT room_id, position, (quote_literal('1:' || md5(id::text)) || ':1')::tsvector FROM messages;
ANALYZE;
"""


# The backlog of a provider that was down: both messages of a hundred rooms.
BACKLOG = """
UPDATE messages SET status = 'pending', claimable_at = now() - interval '1 hour', queued_at = now() - interval '1 hour'
    WHERE position > 8 AND room_id IN (SELECT id FROM rooms LIMIT 100);
ANALYZE messages;
"""


# The statistics are of 20 rooms, as those of a table that has grown since they were made.
GROWN = """
CREATE TEMPORARY TABLE first AS SELECT id FROM rooms LIMIT 20;
CREATE TEMPORARY TABLE later AS SELECT * FROM messages WHERE room_id NOT IN (SELECT id FROM first);
DELETE FROM messages WHERE room_id NOT IN (SELECT id FROM first);
ANALYZE;
INSERT INTO messages SELECT * FROM later;
"""


class NotingDatabase(Database):
    """Notes the text of every statement that it runs."""

    def __init__(self, url: str) -> None:
        super().__init__(url, connections=1)
        self.statements: list[str] = []

    @asynccontextmanager
    async def transaction(self, *, read_only: bool = False, single: bool = False) -> AsyncGenerator[Transaction, None]:
        async with super().transaction(read_only=read_only, single=single) as transaction:
            transaction.connection = NotingConnection(transaction.connection, self)
            yield transaction


class NotingConnection:
    def __init__(self, connection: Connection, database: NotingDatabase) -> None:
        self.connection = connection
        self.database = database

    async def fetch(self, text: str, arguments: Sequence[Any], *, begin: bool) -> list[Any]:
        self.database.statements.append(text)
        return await self.connection.fetch(text, arguments, begin=begin)

    async def execute(self, text: str, arguments: Sequence[Any], *, begin: bool) -> int:
        self.database.statements.append(text)
        return await self.connection.execute(text, arguments, begin=begin)

    async def commit(self) -> None:
        await self.connection.commit()


@asynccontextmanager
async def filled_database() -> AsyncGenerator[NotingDatabase, None]:
    """With one connection, so that all its statements are prepared there."""
    url = create_database(template=await migrated_template())
    database = NotingDatabase(url)
    try:
        await run(database, FILL)
        yield database
    finally:
        await database.close()
        drop_database(url)


@asynccontextmanager
async def asyncpg_connection(database: Database) -> AsyncGenerator[asyncpg.Connection, None]:
    connection = await asyncpg.connect(database.url)
    try:
        yield connection
    finally:
        await connection.close()


async def run(database: Database, statements: str) -> None:
    async with asyncpg_connection(database) as connection:
        await connection.execute(statements)


async def indexes(database: NotingDatabase, step: Callable[[SqlChatUnit], Awaitable[Any]]) -> set[str]:
    """What the statements of one step scan: names of indexes, or of tables where they are read from end to end."""
    async with database.transaction() as transaction:
        await step(SqlChatUnit(transaction, PlanLimits(plans_of(5))))
    return {name for plan in await kept_plans(database) for name in scans(plan)}


async def kept_plans(database: NotingDatabase) -> list[dict[str, Any]]:
    """The plans of the statements that were noted since the last call."""
    statements, database.statements = database.statements, []
    async with asyncpg_connection(database) as connection, connection.transaction():
        return [await _kept_plan(connection, statement) for statement in statements]


async def _kept_plan(connection: asyncpg.Connection, statement: str) -> dict[str, Any]:
    await connection.execute(f"PREPARE kept AS {statement}")
    await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    count = await connection.fetchval(
        "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name='kept'"
    )
    values = ", ".join(["NULL"] * count)
    explained = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE kept{f'({values})' if values else ''}")
    await connection.execute("DEALLOCATE kept")
    plan: dict[str, Any] = json.loads(explained)[0]["Plan"]
    return plan


def scans(plan: dict[str, Any]) -> set[str]:
    below = {name for part in plan.get("Plans", []) for name in scans(part)}
    if plan["Node Type"] == "Seq Scan":
        return below | {plan["Relation Name"]}
    return below | ({plan["Index Name"]} if "Index Name" in plan else set())


# What shows a message's siblings, and the parent of one that an older release has written.
TREE = {"ix_messages_forks", "ix_messages_run", "uq_messages_room_id_position"}
HEAD = {"uq_messages_room_id_position"}
# With the message that the head answers.
LAST_MESSAGE = {*HEAD, "pk_messages"}

WORDS = [Term("word", is_prefix=True), Term("another", is_prefix=True)]
SEARCHED = {
    "ix_search_sections_account_id_number",
    "ix_search_texts_terms",
    "pk_rooms",
    "uq_messages_room_id_position",
}

STEPS: dict[str, tuple[Callable[[SqlChatUnit], Awaitable[Any]], set[str]]] = {
    "first page of rooms": (
        lambda unit: unit.rooms.page(ACCOUNT, after=None, limit=51),
        {"ix_rooms_listed", *LAST_MESSAGE},
    ),
    "next page of rooms": (
        lambda unit: unit.rooms.page(ACCOUNT, after=RoomCursor(NOW, ROOM), limit=51),
        {"ix_rooms_listed", *LAST_MESSAGE},
    ),
    "room": (lambda unit: unit.rooms.get(ROOM, ACCOUNT), {"pk_rooms", *LAST_MESSAGE}),
    "reserve": (lambda unit: unit.rooms.reserve(ROOM, ACCOUNT, at=NOW), {"pk_rooms"}),
    "delete room": (lambda unit: unit.rooms.delete(ROOM, ACCOUNT), {"pk_rooms"}),
    "first page of messages": (
        lambda unit: unit.messages.page(ROOM, ACCOUNT, before=None, limit=51),
        TREE,
    ),
    "next page of messages": (
        lambda unit: unit.messages.page(ROOM, ACCOUNT, before=1_000, limit=51),
        TREE,
    ),
    "branch that is shown": (
        lambda unit: unit.messages.branch_to(ROOM, ACCOUNT, last=None, limit=51),
        {"pk_rooms", *TREE},
    ),
    "branch": (lambda unit: unit.messages.branch_to(ROOM, ACCOUNT, last=1_000, limit=51), TREE),
    "branch that is shown, from its beginning": (
        lambda unit: unit.messages.branch_after(ROOM, ACCOUNT, after=10, last=None, limit=51),
        {"pk_rooms", *TREE},
    ),
    "branch, from its beginning": (
        lambda unit: unit.messages.branch_after(ROOM, ACCOUNT, after=10, last=1_000, limit=51),
        TREE,
    ),
    "newest below": (lambda unit: unit.messages.newest_below(ROOM, 1), TREE),
    "lock room": (lambda unit: unit.rooms.lock(ROOM, ACCOUNT), {"pk_rooms"}),
    "show branch": (lambda unit: unit.rooms.show(ROOM, position=1), {"pk_rooms"}),
    "message": (lambda unit: unit.messages.get(REPLY, ROOM, ACCOUNT), {"pk_messages", *TREE}),
    "any message": (lambda unit: unit.messages.owner(REPLY), {"pk_messages"}),
    "conversation": (
        lambda unit: unit.messages.exchanges(ROOM, last=1_000, limit=50),
        {"ix_messages_run", "uq_messages_room_id_position"},
    ),
    "exchange": (lambda unit: unit.messages.exchange(REPLY), {"pk_messages", *TREE}),
    "settings of a page": (
        lambda unit: unit.reply_settings.between(ROOM, first=1, last=50),
        {"uq_messages_room_id_position", "pk_reply_settings"},
    ),
    "claim": (
        lambda unit: unit.replies.claim(REPLY, lease=15),
        {"pk_messages", "ix_messages_unfinished", "pk_reply_settings", "pk_rooms"},
    ),
    "renew": (lambda unit: unit.replies.renew([CLAIM], lease=15), {"pk_messages"}),
    "renew many": (lambda unit: unit.replies.renew([CLAIM, replace(CLAIM, attempt=2)], lease=15), {"pk_messages"}),
    "end": (lambda unit: unit.replies.end(CLAIM, COMPLETED), {"pk_messages", "pk_usage_days"}),
    "end and count": (
        lambda unit: unit.replies.end(CLAIM, replace(COMPLETED, usage=TokenUsage(1, 2))),
        {"pk_messages", "pk_usage_days"},
    ),
    "postpone": (lambda unit: unit.replies.postpone(CLAIM, seconds=1), {"pk_messages"}),
    "release": (lambda unit: unit.replies.release(CLAIM), {"pk_messages"}),
    "stop": (lambda unit: unit.replies.request_stop(REPLY), {"pk_messages"}),
    "end unheld": (
        lambda unit: unit.replies.end_unheld(REPLY, COMPLETED),
        {"pk_messages", "pk_reply_settings", "pk_rooms"},
    ),
    "next in room": (lambda unit: unit.replies.next_in_room(ROOM), {"pk_rooms", "ix_messages_unfinished"}),
    "overdue": (
        lambda unit: unit.replies.take_overdue(patience=30, limit=100),
        {"ix_messages_unfinished", "pk_messages"},
    ),
    "search": (
        lambda unit: unit.search.find(ACCOUNT, WORDS[:1], up_to=1_000, skip=0, limit=51),
        SEARCHED,
    ),
    "search for two words": (
        lambda unit: unit.search.find(ACCOUNT, WORDS, up_to=1_000, skip=0, limit=51),
        SEARCHED,
    ),
    "what is complete": (
        lambda unit: unit.shares.last_complete(ROOM, ACCOUNT),
        {"pk_rooms", "uq_messages_room_id_position", "ix_messages_run", "ix_messages_unfinished", "pk_messages"},
    ),
    "copy of a room": (lambda unit: unit.shares.of_room(ROOM, ACCOUNT), {"pk_shares", "pk_rooms"}),
    "copy with a token": (lambda unit: unit.shares.find("a token"), {"uq_shares_token"}),
    "page of a copy": (
        lambda unit: unit.shares.messages(SHARE, skip=100, limit=101),
        {"uq_messages_room_id_position", "ix_messages_run"},
    ),
    "request title": (lambda unit: unit.titles.request(CLAIM), {"pk_rooms"}),
    "claim title": (lambda unit: unit.titles.claim(ROOM, lease=15), {"pk_title_jobs", "pk_rooms"}),
    "renew title": (lambda unit: unit.titles.renew(TITLE, lease=15), {"pk_title_jobs"}),
    "end title": (lambda unit: unit.titles.end(TITLE, "A title"), {"pk_title_jobs", "pk_rooms"}),
    "overdue titles": (lambda unit: unit.titles.overdue(seconds=2, limit=100), {"ix_title_jobs_claimable_at"}),
    "any overdue": (lambda unit: unit.replies.any_overdue(patience=30), {"ix_messages_unfinished"}),
    "give back": (lambda unit: unit.quota.give_back(ACCOUNT, day=TODAY), {"pk_usage_days"}),
    "key": (lambda unit: unit.idempotency_keys.forget_before(NOW), {"ix_idempotency_keys_used_at"}),
}


async def test_statements_are_served_by_their_indexes():
    expected = {name: served for name, (_, served) in STEPS.items()}
    async with filled_database() as database:
        assert {name: await indexes(database, step) for name, (step, _) in STEPS.items()} == expected
        await run(database, BACKLOG)
        assert {name: await indexes(database, step) for name, (step, _) in STEPS.items()} == expected


async def accept(database: NotingDatabase) -> None:
    question, reply = exchange_at(0, Room(ROOM, ACCOUNT, "A room", None, None, NOW, NOW))
    await SqlAcceptance(database, PlanLimits(plans_of(5))).accept(
        question,
        reply,
        account_id=ACCOUNT,
        key=KEY,
        catalogue=CATALOGUE,
        most_pending=5,
        estimates=TokenEstimates(),
    )


async def test_accepting_a_message_is_served_by_indexes():
    async with filled_database() as database:
        await accept(database)
        scanned = {name for plan in await kept_plans(database) for name in scans(plan)}
        # The tables of plans are empty.
        assert scanned == {
            "ix_messages_unfinished", "pk_rooms", "pk_usage_days", "pk_idempotency_keys", "plans", "paid_plans", *HEAD
        }  # fmt: skip


# The server makes a plan for the values of each of the first five uses, then one for all if that seems no dearer.
PLANNED_FOR_VALUES = 5


async def planned_anew(database: NotingDatabase) -> list[str]:
    """The statements that the server goes on planning at each use, which costs more than to run them."""
    async with database.transaction(read_only=True) as transaction:
        noting: Any = transaction.connection
        rows = await noting.connection.driver.fetch(
            "SELECT statement FROM pg_prepared_statements WHERE custom_plans > $1", PLANNED_FOR_VALUES
        )
    return [row["statement"] for row in rows]


async def test_plans_for_the_steps_of_every_message_are_kept():
    async with filled_database() as database:
        await run(database, GROWN)
        for _ in range(2 * PLANNED_FOR_VALUES):
            await accept(database)
        assert await planned_anew(database) == []
        await run(database, "ANALYZE")
        for name in (
            "reserve",
            "claim",
            "conversation",
            "end and count",
            "next in room",
            "branch that is shown",
            "first page of rooms",
            "next page of rooms",
        ):
            for _ in range(2 * PLANNED_FOR_VALUES):
                async with database.transaction() as transaction:
                    await STEPS[name][0](SqlChatUnit(transaction, PlanLimits(plans_of(5))))
        assert await planned_anew(database) == []
