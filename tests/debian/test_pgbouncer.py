"""The whole product behind PgBouncer in transaction mode, which is killed while replies are written."""

import asyncio
from collections import Counter
from pathlib import Path

from tests.debian.pgbouncer import pgbouncer
from tests.faults.audit import audit, send
from tests.faults.cluster import cluster
from tests.faults.durable_postgres import durable_postgres, new_database
from tests.faults.first_texts import FIRST_TEXT_SECONDS, seconds_to_first_text

# Debian's PgBouncer knows no prepared statements.
UNPREPARED = {"statement_cache_size": "0"}


async def test_replies_through_pgbouncer_are_written_while_workers_and_pgbouncer_are_killed(tmp_path: Path) -> None:
    database = await new_database()
    async with (
        pgbouncer(durable_postgres().port, size=15) as bouncer,
        cluster(tmp_path, DATABASE_URL=bouncer.url_of(database, **UNPREPARED)) as parley,
    ):
        first = await send(parley, rooms=20, each=1, text="[[think 5]] [[words 100]]")
        first_texts = await asyncio.gather(*(seconds_to_first_text(parley, sent) for sent in first))
        assert max(first_texts) < FIRST_TEXT_SECONDS, first_texts
        sending = asyncio.create_task(send(parley, rooms=20, each=4))
        for worker in parley.workers:
            await asyncio.sleep(0.7)
            await worker.kill()
            await worker.start()
            await bouncer.kill()
            await asyncio.sleep(0.5)
            await bouncer.start()
        statuses = await audit(parley, [*first, *await sending])
    assert statuses == Counter(completed=100)
