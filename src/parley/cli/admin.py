"""`parley migrate`, `openapi`, `plan` and `key`: what an operator does besides running and checking parley."""

import secrets
from typing import Any
from uuid import UUID

import click
import msgspec

from parley.adapters.http.openapi.document import openapi_document
from parley.adapters.sql.engine.tables import REVISION
from parley.bootstrap import Parley, bootstrap
from parley.bootstrap.database import (
    copy_installation,
    exclusive_use,
    migrate_schema,
    open_database,
    require_schema,
    schema_revision,
)
from parley.bootstrap.processes import litestar_application
from parley.core.accounts.api_keys import meter_key
from parley.core.accounts.model import AuditEvent
from parley.core.accounts.profile import find_account, read_identity
from parley.core.billing.usage import override_plan
from parley.core.errors import DomainError
from parley.core.plans import OF_PAYMENTS
from parley.settings import Settings, SettingsError, read_settings


async def migrate_database(settings: Settings) -> str:
    """Returns what schema the database has now, in a sentence.

    Raises SettingsError for a database that parley cannot use, and for a SQLite file that a process serves.
    """
    database = open_database(settings)
    try:
        with exclusive_use(settings):
            await migrate_schema(settings, database)
            if await schema_revision(settings, database) == REVISION:
                return "The database has the schema of this version."
            return "The database has the schema of a newer version, which this version works with; it stays as it is."
    finally:
        await database.close()


async def copy_installation_to(source: str, target: str) -> None:
    """Copy a SQLite file to PostgreSQL and print what is copied. Raises SettingsError; then nothing was copied."""
    settings = read_settings()
    await copy_installation(
        msgspec.structs.replace(settings, database_url=source),
        msgspec.structs.replace(settings, database_url=target),
        lambda progress: click.echo(f"{progress.table}: {progress.rows} of {progress.total} rows"),
    )


def api_document() -> dict[str, Any]:
    """The document of the whole API, whatever the settings are."""
    settings = read_settings({name: secrets.token_urlsafe(48) for name in ("JWT_SECRET", "ADMIN_TOKEN")})
    return openapi_document(litestar_application(bootstrap(settings)))


async def set_plan(settings: Settings, number_or_email: str, plan: str) -> None:
    """`plan` is the name of one, or auto for what payments say. Raises SettingsError when there is no such plan or
    account."""
    parley = bootstrap(settings)
    try:
        async with parley.closing():
            await require_schema(settings, parley.database)
            await _set_plan(parley, number_or_email, None if plan == OF_PAYMENTS else plan)
    except DomainError as error:
        raise SettingsError(str(error)) from error


async def set_metering(settings: Settings, key_id: UUID, *, unmetered: bool) -> None:
    """Raises SettingsError when there is no such key."""
    parley = bootstrap(settings)
    try:
        async with parley.closing():
            await require_schema(settings, parley.database)
            await meter_key(parley.accounts, key_id=key_id, unmetered=unmetered)
    except DomainError as error:
        raise SettingsError(str(error)) from error


async def _set_plan(parley: Parley, number_or_email: str, plan: str | None) -> None:
    by_email = "@" in number_or_email
    identity = read_identity(
        None if by_email else number_or_email, number_or_email if by_email else None, parley.accounts.mobile_numbers
    )
    account = await find_account(parley.accounts, identity)
    if account is None:
        raise SettingsError(f"There is no account of {number_or_email}.")
    await override_plan(parley.billing, account_id=account.id, plan=plan)
    parley.accounts.audit.note(
        AuditEvent.PLAN_OVERRIDDEN,
        identity=identity,
        account_id=account.id,
        how=plan or OF_PAYMENTS,
    )
