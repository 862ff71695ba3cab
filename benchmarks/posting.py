"""Accepting messages: quota, idempotency, two rows, enqueuing. No worker runs; its work is measured by other groups."""

import asyncio
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from uuid import UUID

from benchmarks import baselines, wrk
from benchmarks.deployment import Deployment
from benchmarks.filled_account import FilledAccount
from benchmarks.measurement import Goal, Measurement
from benchmarks.rounds import Effort, LoadRun, alternate, ratio_measurement
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


async def measure(account: FilledAccount, effort: Effort) -> list[Measurement]:
    deployment = account.deployment
    targets, raw_targets = await _many_accounts(deployment)
    rounds = await alternate(
        effort,
        {
            "raw": partial(_raw, deployment, raw_targets),
            "parley": partial(_posted, deployment, targets, CONNECTIONS),
            "many": partial(_posted_for_longer, deployment, targets),
        },
    )
    what = f"POST message accepted, {CONNECTIONS} connections of as many Pro accounts, no worker running"
    baseline = f"the same rows by raw asyncpg as one statement, {baselines.POOL} connections as in parley's pool"
    many = ratio_measurement(
        "post-256",
        f"POST message accepted, {MANY_CONNECTIONS} connections: none fails, and the rate stays",
        f"the rate with {CONNECTIONS} connections",
        Goal(at_least=0.85),
        rounds,
        of="many",
        to="parley",
    )
    slowest = max(each["max_ms"] for each in many.rounds)
    return [
        ratio_measurement("post", what, baseline, Goal(at_least=0.22), rounds, of="parley", to="raw"),
        Measurement(**vars(many) | {"summary": f"{many.summary}, slowest answer after {slowest:,.0f} ms"}),
    ]


async def one_account(account: FilledAccount, connections: int = CONNECTIONS) -> LoadRun:
    """Messages to the account's twenty latest rooms."""
    token = await account.deployment.sign_in(account.email)
    targets = account.deployment.folder / "targets.txt"
    targets.write_text(_lines([(room, token) for room in account.rooms[:20]]))
    return partial(_posted, account.deployment, targets, connections)


async def _many_accounts(deployment: Deployment) -> tuple[Path, Path]:
    """Files with the targets for wrk and for the raw writes."""
    posts: list[tuple[UUID, str]] = []
    raw: list[tuple[UUID, UUID]] = []
    async with deployment.database() as connection:
        for number in range(ACCOUNTS):
            email = f"poster{number}@example.com"
            token = await deployment.sign_in(email)
            for _ in range(ROOMS_EACH):
                room, account = await connection.fetchrow(NEW_ROOM, email)
                posts.append((room, token))
                raw.append((room, account))
        await connection.execute(PLANS)
    targets, raw_targets = deployment.folder / "posts.txt", deployment.folder / "raw.txt"
    # Consecutive requests are of different accounts.
    targets.write_text(_lines(posts[first] for first in _interleaved()))
    raw_targets.write_text("\n".join(f"{raw[first][0]} {raw[first][1]}" for first in _interleaved()))
    return targets, raw_targets


def _interleaved() -> list[int]:
    return [account * ROOMS_EACH + room for room in range(ROOMS_EACH) for account in range(ACCOUNTS)]


async def _posted(deployment: Deployment, targets: Path, connections: int, *, seconds: float) -> Load:
    load = await wrk.post(deployment.api, targets, connections=connections, seconds=seconds)
    await _all_replied(deployment, load.requests)
    return load


async def _posted_for_longer(deployment: Deployment, targets: Path, *, seconds: float) -> Load:
    """Longer than the wait for a pooled connection, after which a request fails."""
    return await _posted(deployment, targets, MANY_CONNECTIONS, seconds=seconds * 3)


async def _raw(deployment: Deployment, targets: Path, *, seconds: float) -> Load:
    load = await baselines.raw_writes(deployment.database_url, targets, seconds=seconds)
    await _all_replied(deployment, load.requests)
    return load


async def _all_replied(deployment: Deployment, accepted: int) -> None:
    """In account of the worker: what waits for it would make counting what is pending dearer than it ever is."""
    replied = 0
    async with deployment.database() as connection:
        # Requests that wrk gave up may still be accepted; they must not disturb the next load.
        while newly := int((await connection.execute(REPLIED)).split()[-1]):
            replied += newly
            await asyncio.sleep(0.3)
        assert replied >= accepted, (replied, accepted)
        await connection.execute("VACUUM rooms, messages, usage_days")


def _lines(targets: Iterable[tuple[UUID, str]]) -> str:
    return "\n".join(f"/chatroom/{room}/message {token}" for room, token in targets)
