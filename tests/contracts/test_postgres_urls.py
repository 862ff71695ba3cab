"""What may stand in DATABASE_URL for PostgreSQL."""

import pytest
from sqlalchemy import text

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.failures import DatabaseUrlInvalid
from parley.adapters.sql.engine.postgresql_url import CACHED_STATEMENTS, CONNECT_SECONDS, Address, read_url
from parley.adapters.sql.engine.statements import Statement
from tests.contracts.postgres_fixtures import migrated_database

PLAIN = "postgresql://mira:s3cret@db.example.com:5432/parley"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_every_usual_scheme_is_read(scheme):
    assert read_url(PLAIN.replace("postgresql", scheme)) == Address(PLAIN, CONNECT_SECONDS, CACHED_STATEMENTS)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("sslmode=require", "sslmode=require"),
        ("sslmode=verify-full&target_session_attrs=any", "sslmode=verify-full&target_session_attrs=any"),
        ("ssl=require", "sslmode=require"),
        ("application_name=chat", "application_name=chat"),
        ("options=-c%20search_path%3Dchat", "options=-c+search_path%3Dchat"),
        ("sslmode=require&channel_binding=prefer&gssencmode=disable", "sslmode=require"),
        ("host=/run/postgresql", "host=%2Frun%2Fpostgresql"),
    ],
)
def test_parameters_of_libpq_are_passed_on(given, taken):
    assert read_url(f"{PLAIN}?{given}").dsn == f"{PLAIN}?{taken}"


def test_escaped_password_stays_as_it_is():
    url = "postgresql://mira:p%40ss%2Fw%3Ard@db.example.com/parley"
    assert read_url(url).dsn == url


@pytest.mark.parametrize(("given", "seconds"), [("3", 3.0), ("0", CONNECT_SECONDS), ("", CONNECT_SECONDS)])
def test_connect_timeout_is_in_seconds(given, seconds):
    assert read_url(f"{PLAIN}?connect_timeout={given}") == Address(PLAIN, connect_seconds=seconds)


def test_size_of_the_statement_cache_is_read_as_asyncpg_spells_it():
    assert read_url(f"{PLAIN}?statement_cache_size=0") == Address(PLAIN, cached_statements=0)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://mira:s3cret@db.example.com/parley", "postgresql://"),
        ("postgresql+psycopg2://mira:s3cret@db.example.com/parley", "postgresql://"),
        ("postgresql://mira:s3cret/x@db.example.com:port/parley", "password"),
        ("postgresql://mira:s3cret@one:5432,two:5432/parley", "one host"),
        (f"{PLAIN}?sslmode=s3cret", "sslmode"),
        (f"{PLAIN}?channel_binding=require", "channel_binding"),
        (f"{PLAIN}?pgbouncer=true", "pgbouncer"),
        (f"{PLAIN}?connect_timeout=s3cret", "connect_timeout"),
        (f"{PLAIN}?statement_cache_size=s3cret", "statement_cache_size"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence_without_its_secrets(url, says):
    with pytest.raises(DatabaseUrlInvalid) as refused:
        Database(url)
    assert says in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert "mira" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_certificates_must_be_there(tmp_path):
    file = tmp_path / "ca.pem"
    url = f"{PLAIN}?sslrootcert={file}"
    with pytest.raises(DatabaseUrlInvalid, match="sslrootcert"):
        read_url(url)
    file.touch()
    assert read_url(url).dsn.startswith(f"{PLAIN}?sslrootcert=")


async def test_what_only_opening_a_connection_finds_is_refused_then():
    async with migrated_database() as url:
        database = Database(f"{url}?gsslib=none")
        with pytest.raises(DatabaseUrlInvalid, match="gsslib"):
            async with database.transaction():
                pytest.fail("there is no such library")
        await database.close()


async def test_server_takes_what_is_meant_for_it():
    async with migrated_database() as url:
        database = Database(f"{url}?application_name=chat&options=-c%20search_path%3Dpg_catalog")
        async with database.transaction(read_only=True) as transaction:
            shown = [
                await transaction.scalar(Statement(text(f"SHOW {name}")))
                for name in ("application_name", "search_path")
            ]
        await database.close()
    assert shown == ["chat", "pg_catalog"]
