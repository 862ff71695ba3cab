"""Messages accepted: quota, idempotency, two rows, enqueued. No worker runs: what it would do is measured elsewhere."""

import asyncio
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from uuid import UUID

from benchmarks import limits, wrk
from benchmarks.place import Place
from benchmarks.rounds import Effort, Measure, in_turn, ratio_row
from benchmarks.row import Goal, Row
from benchmarks.town import Town
from benchmarks.wrk import Load

CONNECTIONS, MANY_CONNECTIONS = 64, 256
ACCOUNTS, ROOMS_EACH = 64, 4
PLANS = """
INSERT INTO plans (account_id, override) SELECT id, 'pro' FROM accounts WHERE email LIKE 'poster%'
ON CONFLICT (account_id) DO UPDATE SET override = 'pro'
"""
NEW_ROOM = """
INSERT INTO rooms (id, account_id, name, created_at, active_at)
SELECT gen_random_uuid(), id, 'Room', now(), now() FROM accounts WHERE email = $1 RETURNING id, account_id
"""
REPLIED = (
    "UPDATE messages SET status = 'completed', content = 'So it is.', completed_at = now() WHERE status = 'pending'"
)


async def rows(place: Place, effort: Effort) -> list[Row]:
    town = place.town
    targets, raw_targets = await _many_accounts(town)
    rounds = await in_turn(
        effort,
        {
            "raw": partial(_raw, town, raw_targets),
            "parley": partial(_posted, town, targets, CONNECTIONS),
            "many": partial(_posted_for_long, town, targets),
        },
    )
    what = f"POST message accepted, {CONNECTIONS} connections of as many Pro accounts, no worker running"
    against = f"the same rows by raw asyncpg as one statement, {limits.POOL} connections as in parley's pool"
    many = ratio_row(
        "post-256",
        f"POST message accepted, {MANY_CONNECTIONS} connections: none fails, and the rate stays",
        f"the rate with {CONNECTIONS} connections",
        Goal(at_least=0.80),
        rounds,
        of="many",
        to="parley",
    )
    slowest = max(each["max_ms"] for each in many.rounds)
    return [
        ratio_row("post", what, against, Goal(at_least=0.25), rounds, of="parley", to="raw"),
        Row(**vars(many) | {"said": f"{many.said}, slowest answer after {slowest:,.0f} ms"}),
    ]


async def one_account(place: Place, connections: int = CONNECTIONS) -> Measure:
    """Messages to its twenty latest rooms."""
    token = await place.town.sign_in(place.email)
    targets = place.town.folder / "targets.txt"
    targets.write_text(_lines([(room, token) for room in place.rooms[:20]]))
    return partial(_posted, place.town, targets, connections)


async def _many_accounts(town: Town) -> tuple[Path, Path]:
    """Where to post as wrk takes it, and as the raw writes do."""
    posts: list[tuple[UUID, str]] = []
    raw: list[tuple[UUID, UUID]] = []
    async with town.database() as connection:
        for number in range(ACCOUNTS):
            email = f"poster{number}@example.com"
            token = await town.sign_in(email)
            for _ in range(ROOMS_EACH):
                room, account = await connection.fetchrow(NEW_ROOM, email)
                posts.append((room, token))
                raw.append((room, account))
        await connection.execute(PLANS)
    targets, raw_targets = town.folder / "posts.txt", town.folder / "raw.txt"
    # Account after account, not room after room.
    targets.write_text(_lines(posts[first] for first in _by_turns()))
    raw_targets.write_text("\n".join(f"{raw[first][0]} {raw[first][1]}" for first in _by_turns()))
    return targets, raw_targets


def _by_turns() -> list[int]:
    return [account * ROOMS_EACH + room for room in range(ROOMS_EACH) for account in range(ACCOUNTS)]


async def _posted(town: Town, targets: Path, connections: int, *, seconds: float) -> Load:
    load = await wrk.post(town.api, targets, connections=connections, seconds=seconds)
    await _all_replied(town, load.requests)
    return load


async def _posted_for_long(town: Town, targets: Path, *, seconds: float) -> Load:
    """Long enough for whoever waits in vain to be refused: a pool's connection is waited for POOL_SECONDS."""
    return await _posted(town, targets, MANY_CONNECTIONS, seconds=seconds * 3)


async def _raw(town: Town, targets: Path, *, seconds: float) -> Load:
    load = await limits.raw_writes(town.database_url, targets, seconds=seconds)
    await _all_replied(town, load.requests)
    return load


async def _all_replied(town: Town, accepted: int) -> None:
    """In place of the worker: what waits for it would make counting what is pending dearer than it ever is."""
    replied = 0
    async with town.database() as connection:
        # Those that nobody waited for any more are accepted too, and not in the time of what is measured next.
        while newly := int((await connection.execute(REPLIED)).split()[-1]):
            replied += newly
            await asyncio.sleep(0.3)
        assert replied >= accepted, (replied, accepted)
        await connection.execute("VACUUM rooms, messages, usage_days")


def _lines(targets: Iterable[tuple[UUID, str]]) -> str:
    return "\n".join(f"/chatroom/{room}/message {token}" for room, token in targets)
