"""Each reason for which a database cannot be used has its own sentence, in commands and in the log."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from structlog.testing import capture_logs

from parley.adapters.sql.engine.causes import cause_of_state
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.failures import (
    DatabaseUnavailable,
    NoConnectionYet,
    StatementGivenUp,
    StatementsRefused,
    sqlite_failure,
)
from parley.adapters.sql.engine.outages import DatabaseOutages
from parley.adapters.sql.engine.statements import Statement
from parley.bootstrap.database import check_database
from parley.cli.admin import migrate_database
from parley.cli.check import check_everything
from parley.runtime.outage_log import OutageLog
from parley.settings import Settings, SettingsError, read_settings
from tests.contracts.postgres_fixtures import migrated_database
from tests.servers.mail_server import Certificates
from tests.servers.postgres_server import PostgresServer, run_sql

SECRET = "s" * 40
# As PostgreSQL raises them by itself in a state that no test can bring about.
RAISE = "DO $$ BEGIN RAISE EXCEPTION 'of row 17' USING ERRCODE = '{}'; END $$"
ASK = Statement(text("SELECT 1"))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server with a database for each cause; it asks only `guarded` for a password, and refuses `stranger`."""
    rules = (
        "host all guarded 127.0.0.1/32 scram-sha-256",
        "host all stranger 127.0.0.1/32 reject",
    )
    made = PostgresServer(rules=rules)
    made.start()
    for statement in (
        "CREATE ROLE guarded LOGIN PASSWORD 'right'",
        "CREATE ROLE stranger LOGIN",
        "CREATE ROLE without_rights LOGIN",
        "CREATE ROLE crowded LOGIN CONNECTION LIMIT 0",
        "CREATE ROLE reader LOGIN",
        "ALTER ROLE reader SET default_transaction_read_only = on",
    ):
        run_sql(made.url, statement)
    yield made
    made.remove()


def user(name: str, password: str | None = None) -> Callable[[str], str]:
    return lambda url: make_url(url).set(username=name, password=password).render_as_string(hide_password=False)


def other(**changes: str | int) -> Callable[[str], str]:
    return lambda url: make_url(url).set(**changes).render_as_string(hide_password=False)  # type: ignore[arg-type]


def with_query(query: str) -> Callable[[str], str]:
    return lambda url: f"{url}?{query}"


CAUSES = [
    pytest.param(user("nobody"), "create the role", id="missing role"),
    pytest.param(user("stranger"), "pg_hba.conf", id="role that pg_hba.conf refuses"),
    pytest.param(user("guarded", "wrong"), "does not accept the password", id="wrong password"),
    pytest.param(other(database="nowhere"), "create the database first", id="missing database"),
    pytest.param(user("without_rights"), "grant it all rights", id="missing right"),
    pytest.param(user("reader"), "is read-only", id="read-only"),
    pytest.param(other(port=1), "refuses the connection", id="refused"),
    pytest.param(other(host="database.invalid"), "on a host that is not known", id="unknown host"),
    pytest.param(with_query("sslmode=require"), "does not speak TLS", id="no TLS"),
]


def settings_of(url: str) -> Settings:
    return read_settings({"DATABASE_URL": url, "JWT_SECRET": SECRET}, dotenv=Path("none"))


async def sentence_of(command: Callable[[Settings], Awaitable[object]], settings: Settings) -> str:
    with pytest.raises(SettingsError) as refused:
        await command(settings)
    return str(refused.value)


@pytest.mark.parametrize(("wrong", "sentence"), CAUSES)
async def test_commands_say_why_in_a_sentence_of_its_own(server: PostgresServer, wrong, sentence) -> None:
    settings = settings_of(wrong(server.url))
    checked = [finding for finding in await check_everything(settings) if finding.subject == "DATABASE_URL"]
    said = [await sentence_of(migrate_database, settings), *(finding.detail for finding in checked)]
    # A reader may look whether there are tables, and finds none.
    if wrong.__name__ and "read-only" not in sentence and "rights" not in sentence:
        said.append(await sentence_of(check_database, settings))
    for each in said[:1] if "read-only" in sentence or "rights" in sentence else said:
        assert sentence in each
        assert "right" not in each or "rights" in each


@pytest.mark.parametrize(("right", "sentence"), [("reader", "is read-only"), ("without_rights", "grant it")])
async def test_start_and_check_try_to_write(right: str, sentence: str) -> None:
    async with migrated_database() as url:
        name = f"{right}_of_{make_url(url).database}"
        run_sql(url, f"CREATE ROLE {name} LOGIN")
        try:
            if right == "reader":
                run_sql(url, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
                run_sql(url, f"ALTER ROLE {name} SET default_transaction_read_only = on")
            else:
                run_sql(url, f"GRANT SELECT ON alembic_version, schema_compatibility TO {name}")
            settings = settings_of(user(name)(url))
            assert sentence in await sentence_of(check_database, settings)
            [finding] = [each for each in await check_everything(settings) if each.subject == "DATABASE_URL"]
            assert not finding.ok
            assert sentence in finding.detail
        finally:
            run_sql(url, f"DROP OWNED BY {name}")
            run_sql(url, f"DROP ROLE {name}")


async def test_full_server_is_waited_for_and_then_told(server: PostgresServer) -> None:
    database = Database(user("crowded")(server.url))
    asking = asyncio.create_task(ask(database))
    done, _ = await asyncio.wait({asking}, timeout=0.5)
    assert not done
    run_sql(server.url, "ALTER ROLE crowded CONNECTION LIMIT 1")
    assert await asyncio.wait_for(asking, 20) == 1
    run_sql(server.url, "ALTER ROLE crowded CONNECTION LIMIT 0")
    await database.close()


async def ask(database: Database) -> int:
    async with database.transaction(read_only=True) as transaction:
        value: int = await transaction.scalar(ASK)
        return value


@pytest.mark.parametrize(
    ("state", "sentence", "kind"),
    [
        ("25006", "is read-only", StatementsRefused),
        ("42501", "grant it all rights", StatementsRefused),
        ("53100", "disk of its server is full", StatementsRefused),
        ("58030", "cannot read or write its files", StatementsRefused),
        ("XX001", "is damaged", StatementsRefused),
        ("26000", "statement_cache_size=0", StatementsRefused),
        ("42P05", "statement_cache_size=0", StatementsRefused),
        ("53200", "no memory left", DatabaseUnavailable),
        ("53300", "raise its max_connections", NoConnectionYet),
        ("57P03", "starting up or shutting down", NoConnectionYet),
        ("57P01", "starting up or shutting down", DatabaseUnavailable),
        ("57P04", "was dropped", DatabaseUnavailable),
        ("08006", "broke the connection off", DatabaseUnavailable),
        ("40001", "in conflict", StatementGivenUp),
        ("40P01", "in conflict", StatementGivenUp),
        ("55P03", "lock_timeout", StatementGivenUp),
        ("57014", "statement_timeout", StatementGivenUp),
    ],
)
async def test_state_that_a_server_reports_has_its_sentence(
    server: PostgresServer, state: str, sentence: str, kind: type[DatabaseUnavailable]
) -> None:
    database = Database(server.url)
    try:
        with pytest.raises(DatabaseUnavailable) as refused:
            async with database.transaction(read_only=True) as transaction:
                await transaction.all(Statement(text(RAISE.format(state))))
    finally:
        await database.close()
    assert type(refused.value) is kind
    assert sentence in refused.value.sentence
    assert "row 17" not in str(refused.value) + refused.value.cause
    assert "database" not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("no more connections allowed (max_client_conn)", "max_client_conn"),
        ("query_wait_timeout", "pool_size"),
        ("unsupported startup parameter: search_path", "ignore_startup_parameters"),
        ("no such database: parley", "[databases]"),
        ("no such user: parley", "auth_file"),
        ("server login has been failing, try again later (server_login_retry)", "cannot log in"),
        ("something else", "broke the connection off"),
    ],
)
def test_what_a_pooler_says_has_its_sentence(said: str, sentence: str) -> None:
    assert sentence in (cause_of_state("08P01", said) or "")


def test_state_of_a_wrong_statement_has_none() -> None:
    assert cause_of_state("42601") is None


@asynccontextmanager
async def tls_server(certificates: Certificates) -> AsyncGenerator[int, None]:
    """Agrees to TLS as PostgreSQL does, and closes every connection after the handshake."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"S")
        with suppress(OSError):
            await writer.start_tls(certificates.serving())
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("names", "trusted", "sentence"),
    [
        (("database.example.com",), True, "has a certificate for another name"),
        (("127.0.0.1",), False, "has a certificate that is not trusted"),
        (("127.0.0.1",), True, "broke the connection off"),
    ],
)
async def test_certificate_that_does_not_fit_has_its_sentence(
    tmp_path: Path, names: tuple[str, ...], trusted: bool, sentence: str
) -> None:
    served, unknown = (_made(tmp_path / folder, *names) for folder in ("served", "unknown"))
    authority = (served if trusted else unknown).authority_file
    async with tls_server(served) as port:
        url = f"postgresql://parley@127.0.0.1:{port}/parley?sslmode=verify-full&sslrootcert={authority}"
        assert sentence in await sentence_of(check_database, settings_of(url))


def _made(folder: Path, *names: str) -> Certificates:
    folder.mkdir()
    return Certificates(folder, *names)


async def test_outage_is_two_lines_of_the_log_whatever_fails_in_between(server: PostgresServer) -> None:
    seconds = [0.0]

    def outage(part: str) -> OutageLog:
        return OutageLog(part, monotonic=lambda: seconds[0])

    database = Database(server.url, outages=DatabaseOutages(outage("database"), outage("database statements")))
    try:
        with capture_logs() as lines:
            await asyncio.to_thread(server.stop)
            for _ in range(20):
                seconds[0] += 3
                with pytest.raises(DatabaseUnavailable):
                    await ask(database)
            await asyncio.to_thread(server.start)
            for _ in range(3):
                await ask(database)
                seconds[0] += 3
    finally:
        await database.close()
    assert [(line["event"], line["part"]) for line in lines] == [
        ("outage_began", "database"),
        ("outage_ended", "database"),
    ]
    assert lines[0]["cause"].startswith("refuses the connection")
    assert (lines[1]["failures"], lines[1]["seconds"]) == (20, 57)


async def test_writes_that_are_refused_are_an_outage_of_their_own_which_reads_do_not_end() -> None:
    seconds = [0.0]

    def outage(part: str) -> OutageLog:
        return OutageLog(part, monotonic=lambda: seconds[0])

    async with migrated_database() as url:
        database = Database(url, outages=DatabaseOutages(outage("database"), outage("database statements")))
        with capture_logs() as lines:
            for _ in range(5):
                with pytest.raises(StatementsRefused):
                    async with database.transaction() as transaction:
                        await transaction.all(Statement(text(RAISE.format("53100"))))
                seconds[0] += 60
                await ask(database)
            assert len(lines) == 1
            async with database.transaction() as transaction:
                await transaction.all(ASK)
                await transaction.commit()
        await database.close()
    assert [(line["event"], line["part"]) for line in lines] == [
        ("outage_began", "database statements"),
        ("outage_ended", "database statements"),
    ]
    assert lines[1]["failures"] == 5


# SQLite


def full(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    return connection


def error_of(step: Callable[[], object]) -> sqlite3.Error:
    with pytest.raises(sqlite3.Error) as raised:
        step()
    return raised.value


def test_full_disk_under_sqlite_has_its_sentence(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "any.db") as made:
        made.execute("CREATE TABLE texts (content TEXT)")
    connection = full(tmp_path / "any.db")
    failure = sqlite_failure(error_of(lambda: connection.execute("INSERT INTO texts VALUES (?)", ("x" * 1_000_000,))))
    connection.close()
    assert isinstance(failure, StatementsRefused)
    assert "the disk is full" in failure.sentence


def test_damaged_file_has_its_sentence(tmp_path: Path) -> None:
    file = tmp_path / "any.db"
    with sqlite3.connect(file) as made:
        made.execute("CREATE TABLE texts (content TEXT)")
        made.executemany("INSERT INTO texts VALUES (?)", [("x" * 5_000,)] * 50)
    made.close()
    content = bytearray(file.read_bytes())
    content[4_096:40_960] = b"\xff" * (40_960 - 4_096)
    file.write_bytes(content)
    connection = sqlite3.connect(file)
    failure = sqlite_failure(error_of(lambda: connection.execute("SELECT sum(length(content)) FROM texts").fetchall()))
    connection.close()
    assert isinstance(failure, StatementsRefused)
    assert "is damaged" in failure.sentence


def test_read_only_file_has_its_sentence(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "any.db").close()
    connection = sqlite3.connect(f"file:{tmp_path / 'any.db'}?mode=ro", uri=True)
    failure = sqlite_failure(error_of(lambda: connection.execute("CREATE TABLE texts (content TEXT)")))
    connection.close()
    assert isinstance(failure, StatementsRefused)
    assert "is read-only" in failure.sentence


async def test_check_finds_damage_that_a_start_does_not(tmp_path: Path) -> None:
    file = tmp_path / "parley.db"
    settings = settings_of(f"sqlite:///{file}")
    await migrate_database(settings)
    content = bytearray(file.read_bytes())
    content[-4_096:] = b"\xff" * 4_096
    file.write_bytes(content)
    await check_database(settings)
    [finding] = [each for each in await check_everything(settings) if each.subject == "DATABASE_URL"]
    assert not finding.ok
    assert "is damaged: restore a backup" in finding.detail
