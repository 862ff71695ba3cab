"""The disk of a SQLite file is full: writing is refused with a cause, reading goes on, and nothing is lost."""

from sqlalchemy import text

from parley.adapters.sql.engine.statements import Statement
from tests.http.conftest import Logs
from tests.http.site import Site

PAGES = Statement(text("PRAGMA page_count"))
FULL = "PRAGMA max_page_count = {}"
LONG = "x" * 30_000


async def pages(site: Site, statement: Statement) -> int:
    """A number that the only connection that writes knows, or is given."""
    async with site.parley.database.transaction() as transaction:
        number: int = await transaction.scalar(statement)
        return number


async def test_full_disk_is_unavailable_with_a_cause_until_there_is_room(site: Site, logs: Logs) -> None:
    mira = await site.person()
    room = await mira.new_room()
    heard = await mira.hear(room)
    await pages(site, Statement(text(FULL.format(await pages(site, PAGES)))))

    refused = [await mira.say(room, LONG) for _ in range(3)]
    assert {answer.status_code for answer in refused} == {503}
    assert {answer.json()["code"] for answer in refused} == {"unavailable"}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    assert (await mira.get(f"/chatroom/{room}/messages")).json()["items"][-1] == heard

    lines = [entry for entry in logs if entry.get("status") == 503]
    assert {line["cause"] for line in lines} == {"the database cannot be written: the disk is full"}
    [began] = [entry for entry in logs if entry["event"] == "outage_began"]
    assert began["part"] == "database statements"

    await pages(site, Statement(text(FULL.format(1_000_000))))
    assert (await mira.hear(room, LONG))["status"] == "completed"
    assert await mira.used() == 2
