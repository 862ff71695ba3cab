"""Keeping a second process away from what is made for one."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from parley.settings import Settings, SettingsError


@contextmanager
def single_instance(settings: Settings) -> Generator[None, None, None]:
    """Hold the SQLite file for this API process, whose streams, cache and throttles are in its memory.

    The lock ends with the process, however that ends. Raises SettingsError when another one has it.
    """
    file = make_url(settings.database_url).database if settings.database_url.startswith("sqlite") else None
    if not file:
        yield
        return
    try:
        lock = Path(f"{file}.lock").open("a")  # noqa: SIM115  closed below
    except OSError as error:
        raise SettingsError(f"DATABASE_URL: {file} cannot be made: {error.strerror}.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingsError(
                f"DATABASE_URL: another «parley run» works with {file}. Several of them need PostgreSQL and Redis."
            ) from error
        yield
