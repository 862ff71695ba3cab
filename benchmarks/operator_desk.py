"""The operator's requests with 100,000 accounts on PostgreSQL: `python -m benchmarks.operator_desk`.

Through the whole application, without sockets: one request at a time, 200 of each kind with another value each.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median, quantiles
from typing import Any, cast
from uuid import UUID

import asyncpg
import httpx

from parley.bootstrap import Parley, bootstrap
from parley.bootstrap.processes import api_application
from parley.runtime.logging import configure_logs
from parley.settings import read_settings
from tests.contracts.postgres_fixtures import create_database, drop_database, migrated_template

ACCOUNTS, REQUESTS = 100_000, 200
TOKEN = "the token of the operator of this benchmark"
# One in ten is or was on a paid plan, one in a hundred is on the operator's, one in a thousand is suspended.
FILL = (
    """
    INSERT INTO accounts (id, mobile_number, email, created_at, suspended_at, suspension_changed_at)
    SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '7' || substr(md5(n::text), 14))::uuid,
           CASE WHEN n % 2 = 0 THEN '+91' || (9000000000 + n * 7)::text END,
           CASE WHEN n % 2 = 1 THEN substr(md5(n::text), 1, 10) || '.' || n || '@example.com' END,
           now(), CASE WHEN n % 1000 = 0 THEN now() END, CASE WHEN n % 1000 = 0 THEN now() END
    FROM generate_series(1, $1::bigint) AS n
    """,
    """
    INSERT INTO plans (account_id, override, paid_until)
    SELECT id, CASE WHEN n % 100 = 0 THEN 'pro' END, now() + (n % 400 - 200) * interval '1 day'
    FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM accounts LIMIT $1::bigint) AS each WHERE n % 10 = 0
    """,
    """
    INSERT INTO paid_plans (account_id, plan, paid_until)
    SELECT account_id, 'pro', paid_until FROM plans WHERE paid_until IS NOT NULL LIMIT $1::bigint
    """,
    """
    INSERT INTO usage_days (account_id, day, used)
    SELECT id, (now() AT TIME ZONE 'UTC')::date, 3 FROM accounts LIMIT $1::bigint
    """,
)


async def fill(url: str) -> list[UUID]:
    """Returns the ids, the oldest account first."""
    connection = await asyncpg.connect(url)
    try:
        for statement in FILL:
            await connection.execute(statement, ACCOUNTS)
        await connection.execute("ANALYZE")
        return [row[0] for row in await connection.fetch("SELECT id FROM accounts ORDER BY id")]
    finally:
        await connection.close()


async def measure(client: httpx.AsyncClient, path_of: Callable[[int], str]) -> tuple[float, float]:
    """The median and the 99th percentile, in milliseconds."""
    spent = []
    for number in range(REQUESTS):
        started = time.perf_counter()
        answer = await client.get(path_of(number))
        spent.append((time.perf_counter() - started) * 1_000)
        assert answer.status_code == 200, answer.text
    return median(spent), quantiles(spent, n=100)[98]


async def report(parley: Parley, ids: list[UUID]) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    # httpx and Litestar describe ASGI's messages with different types.
    transport = httpx.ASGITransport(app=cast(Any, api_application(parley)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
        middle = (await client.get("/admin/accounts?limit=100")).json()["next_cursor"]
        kinds: dict[str, Callable[[int], str]] = {
            "list, first page of 50": lambda _: "/admin/accounts",
            "list, next page of 100": lambda _: f"/admin/accounts?limit=100&cursor={middle}",
            "list, a paid plan": lambda _: "/admin/accounts?plan=pro",
            "list, the free plan": lambda _: "/admin/accounts?plan=basic",
            "search, three characters of an address": lambda number: f"/admin/accounts?q={number % 4096:03x}",
            "search, beginning of all numbers": lambda _: "/admin/accounts?q=%2B91",
            "search, eight digits of a number": lambda number: f"/admin/accounts?q=919000{number:02d}",
            "search, an address and a plan": lambda number: f"/admin/accounts?q={number % 256:02x}&plan=pro",
            "search, an id": lambda number: f"/admin/accounts?q={ids[number * 400]}",
            "one account": lambda number: f"/admin/accounts/{ids[number * 400]}",
            "statistics of 30 days": lambda _: "/admin/stats",
        }
        for name, path_of in kinds.items():
            p50, p99 = await measure(client, path_of)
            print(f"{name:42} p50 {p50:6.1f} ms   p99 {p99:6.1f} ms")
    started = time.perf_counter()
    await parley.statistics.collect(parley.billing.worker_id, now=datetime.now(UTC))
    print(f"{'collecting the statistics, once a minute':42}     {(time.perf_counter() - started) * 1_000:6.1f} ms")


async def main() -> None:
    url = create_database(template=await migrated_template())
    try:
        ids = await fill(url)
        # Log lines are written, as they are in service.
        configure_logs(form="json", level="INFO")
        settings = {"DATABASE_URL": url, "ADMIN_TOKEN": TOKEN, "JWT_SECRET": TOKEN}
        parley = bootstrap(read_settings(settings))
        async with parley.closing():
            await report(parley, ids)
    finally:
        drop_database(url)


if __name__ == "__main__":
    asyncio.run(main())
