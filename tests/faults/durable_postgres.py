"""A PostgreSQL server that writes to disk as in production, shared by the tests that kill and restart it."""

import atexit
import functools
import itertools

from sqlalchemy import make_url

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.migrate import migrate
from tests.servers.postgres_server import PostgresServer, run_sql

_TEMPLATE = "parley_template"
_numbers = itertools.count(1)
_templates: set[str] = set()


@functools.cache
def durable_postgres() -> PostgresServer:
    """The running server. A test that kills it must start it again."""
    server = PostgresServer(durable=True)
    atexit.register(server.remove)
    server.start()
    return server


async def new_database() -> str:
    """The URL of a new database with the schema of this version. It is deleted with the server."""
    server = durable_postgres()
    if not _templates:
        await _make_template(server)
    name = f"parley_{next(_numbers)}"
    run_sql(server.url, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    return _url_of(server, name)


async def _make_template(server: PostgresServer) -> None:
    run_sql(server.url, f"CREATE DATABASE {_TEMPLATE}")
    database = Database(_url_of(server, _TEMPLATE))
    try:
        await migrate(database)
    finally:
        await database.close()
    _templates.add(_TEMPLATE)


def _url_of(server: PostgresServer, name: str) -> str:
    return make_url(server.url).set(database=name).render_as_string(hide_password=False)
