"""Rooms full of messages, inserted by SQL because posting a million messages would take half an hour."""

from collections.abc import Sequence
from uuid import UUID

from benchmarks.deployment import Deployment
from parley.core.chat.search_terms import terms_of

EMAIL = "large@example.com"
ROOMS, MESSAGES = 10_000, 1_000_000

# UUIDv7, as parley makes them: sorted by time.
ID = """
CREATE OR REPLACE FUNCTION pg_temp.id_at(moment timestamptz, random uuid) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7'
            || substr(replace(random::text, '-', ''), 14))::uuid
$$
"""
NEW_ROOMS = """
INSERT INTO rooms (id, account_id, name, created_at, active_at, last_position)
SELECT pg_temp.id_at(made, gen_random_uuid()), $1, 'Room ' || number, made, made + interval '30 days', $3
FROM (SELECT number, now() - interval '40 days' + number * interval '1 second' AS made
      FROM generate_series(1, $2) number) AS each
"""
# Interleaves the rooms, as in an account that grew over time, so that a room's messages lie far apart on disk. Every
# other message is a reply.
NEW_MESSAGES = """
INSERT INTO messages (id, room_id, account_id, position, role, content, status, model, reply_to, parent_id,
                      input_tokens, output_tokens, created_at, completed_at, attempt, claimable_at, queued_at)
SELECT pg_temp.id_at(created, md5(room::text || position)::uuid), room, $1, position,
       CASE WHEN answers THEN 'assistant' ELSE 'user' END,
       CASE WHEN answers THEN repeat('It depends on the season. ', 16) ELSE 'When is it best to go there? ' || n END,
       'completed', CASE WHEN answers THEN 'offline/echo' END,
       CASE WHEN answers THEN pg_temp.id_at(asked, md5(room::text || position - 1)::uuid) END,
       CASE WHEN position > 1 THEN pg_temp.id_at(asked, md5(room::text || position - 1)::uuid) END,
       CASE WHEN answers THEN 12 END, CASE WHEN answers THEN 80 END,
       created, created, CASE WHEN answers THEN 1 ELSE 0 END, created, created
FROM (SELECT n, ids.room, position, position % 2 = 0 AS answers,
             now() - interval '30 days' + (position * 10000 + n) * interval '1 second' AS created,
             now() - interval '30 days' + ((position - 1) * 10000 + n) * interval '1 second' AS asked
      FROM generate_series(1, $2) AS position
      CROSS JOIN (SELECT id AS room, row_number() OVER (ORDER BY id) AS n FROM rooms WHERE account_id = $1) AS ids
      ORDER BY position, n) AS each
"""

# As a worker would have indexed them: 8,192 texts in a section, later texts with higher numbers.
NEW_SECTIONS = """
INSERT INTO search_sections (account_id, texts)
SELECT $1, 8192 FROM generate_series(0, (SELECT count(*) FROM messages WHERE account_id = $1) / 8192)
"""
NEW_TEXTS = """
INSERT INTO search_texts (room_id, position, terms)
SELECT room_id, position, replace(replace(CASE role WHEN 'user' THEN $2 ELSE $3 END, 'ninetynine', substr(content, 30)),
                                  '{}', (first + number / 8192)::text)::tsvector
FROM (SELECT room_id, position, role, content, row_number() OVER (ORDER BY created_at) - 1 AS number,
             (SELECT min(number) FROM search_sections WHERE account_id = $1) AS first
      FROM messages WHERE account_id = $1) AS each
"""


async def fill(
    deployment: Deployment, email: str = EMAIL, *, rooms: int = ROOMS, messages: int = MESSAGES
) -> list[UUID]:
    """Makes the account Pro and gives it rooms with equally many messages each. Returns the rooms' ids."""
    await deployment.pro(email)
    async with deployment.database() as connection:
        account = await connection.fetchval("SELECT id FROM accounts WHERE email = $1", email)
        await connection.execute(ID)
        async with connection.transaction():
            # Turns foreign keys off: otherwise every message would look up its room.
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute(NEW_ROOMS, account, rooms, messages // rooms)
            await connection.execute(NEW_MESSAGES, account, messages // rooms)
            await connection.execute(NEW_SECTIONS, account)
            question, answer = "When is it best to go there? ninetynine", "It depends on the season. " * 16
            await connection.execute(NEW_TEXTS, account, _vector(terms_of(question)), _vector(terms_of(answer)))
        # Otherwise autovacuum and the checkpointer would do this during a measurement.
        await connection.execute("VACUUM (ANALYZE)")
        await connection.execute("CHECKPOINT")
        found = await connection.fetch("SELECT id FROM rooms WHERE account_id = $1 ORDER BY active_at DESC", account)
    return [row["id"] for row in found]


def _vector(terms: Sequence[str]) -> str:
    """As the index stores them, with «{}» for the section."""
    positions: dict[str, list[str]] = {}
    for position, term in enumerate(terms, 1):
        positions.setdefault(term, []).append(str(position))
    return " ".join(f"'{{}}:{term}':{','.join(where)}" for term, where in positions.items())
