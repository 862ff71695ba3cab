"""The clock of leases on SQLite."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.forward_clock import ForwardClock
from parley.adapters.sql.engine.sqlite import open_file
from parley.adapters.sql.engine.statements import SQLITE, Statement

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


def test_only_the_monotonic_clock_moves_it():
    seconds = 100.0
    clock = ForwardClock(started_at=NOON, monotonic=lambda: seconds)
    assert clock.now() == NOON
    seconds += 90.5
    assert clock.now() == NOON + timedelta(seconds=90.5)
    assert clock.text(0) == "2026-03-14 12:01:30.500000"
    assert clock.text(-90.5) == "2026-03-14 12:00:00.000000"


def test_leases_on_sqlite_go_by_it(tmp_path):
    statement = Statement(select(database_time(), database_time("lease"))).compiled(SQLITE)
    connection = open_file(str(tmp_path / "parley.db"))
    before = datetime.now(UTC)
    now, later = (datetime.fromisoformat(text) for text in connection.execute(statement.text, (60.0,)).fetchone())
    connection.close()
    assert abs((now.replace(tzinfo=UTC) - before).total_seconds()) < 60
    assert 60 <= (later - now).total_seconds() < 61
    # SQLite's own time of day is the machine's clock.
    assert "strftime" not in statement.text
    assert "CURRENT_TIMESTAMP" not in statement.text
