"""A lock that lets one process at a time serve a SQLite file."""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path


class AlreadyRunning(Exception):
    """Another process holds the lock."""


@contextmanager
def lock_sqlite_file(file: Path) -> Generator[None, None, None]:
    """Hold the lock of `file`, an empty SQLite file beside it.

    One API process has its streams, cache and rate limits in memory, so a second one would not see them. SQLite's own
    lock works on every platform and ends with its process, however that ends. Raises AlreadyRunning, and sqlite3.Error
    when the lock file cannot be made.
    """
    with closing(sqlite3.connect(f"{file}.lock", timeout=0, isolation_level=None)) as lock:
        try:
            # Nothing is ever written, so no journal needs to be on disk.
            lock.execute("PRAGMA journal_mode = MEMORY")
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY":
                raise
            raise AlreadyRunning from error
        yield
