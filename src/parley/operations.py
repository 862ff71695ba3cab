"""What an operator does besides running parley."""

import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from parley.adapters.sql.database import Database
from parley.adapters.sql.schema import current_revision, migrate
from parley.adapters.sql.tables import REVISION
from parley.bootstrap import bootstrap, configured_providers, database_name, database_url
from parley.core.accounts.profile import read_identity
from parley.core.billing.model import Plan
from parley.core.billing.use_cases import override_plan
from parley.core.errors import DomainError
from parley.settings import Settings, SettingsError, read_settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `parley check`; `detail` says what to do when it is not `ok`."""

    what: str
    ok: bool
    detail: str


async def migrate_database(settings: Settings) -> None:
    """Raises SettingsError when there is no database at DATABASE_URL."""
    database = Database(database_url(settings))
    try:
        await migrate(database)
    except SQLAlchemyError as error:
        raise SettingsError(f"DATABASE_URL: {database_name(settings)} cannot be opened.") from error
    finally:
        await database.close()


async def check_everything(settings: Settings) -> list[Finding]:
    """The settings themselves were read without a fault: this looks at what they lead to."""
    return [
        Finding("settings", True, f"ENVIRONMENT={settings.environment}"),
        _secret(settings),
        await _database(settings),
        _models(settings),
        Finding("OTP_SENDER", True, f"{settings.otp_sender}: codes are shown in the answer; for development only"),
    ]


def openapi_document() -> dict[str, Any]:
    """The document of the API, the same for any settings."""
    settings = read_settings({"JWT_SECRET": secrets.token_urlsafe(48)})
    return bootstrap(settings).litestar.openapi_schema.to_schema()


async def set_plan(settings: Settings, number_or_email: str, plan: str) -> None:
    """`plan` is basic, pro, or auto for what payments say. Raises SettingsError when there is no such account."""
    parley = bootstrap(settings)
    try:
        await migrate(parley.database)
        named_by_email = "@" in number_or_email
        identity = read_identity(
            None if named_by_email else number_or_email,
            number_or_email if named_by_email else None,
            parley.ports.mobile_numbers,
        )
        async with parley.ports.accounts(read_only=True) as unit:
            account = await unit.accounts.find(identity)
        if account is None:
            raise SettingsError(f"There is no account of {number_or_email}.")
        await override_plan(
            uow=parley.ports.billing, account_id=account.id, plan=None if plan == "auto" else Plan(plan)
        )
    except DomainError as error:
        raise SettingsError(str(error)) from error
    finally:
        for close in parley.close:
            await close()


def _secret(settings: Settings) -> Finding:
    if settings.jwt_secret:
        return Finding("JWT_SECRET", True, f"{len(settings.jwt_secret)} given")
    return Finding("JWT_SECRET", True, "not set: one is kept in .parley-secret; set it before there are two machines")


async def _database(settings: Settings) -> Finding:
    database = Database(database_url(settings))
    try:
        revision = await current_revision(database)
    except SQLAlchemyError:
        return Finding("DATABASE_URL", False, f"{database_name(settings)} cannot be opened: does its folder exist?")
    finally:
        await database.close()
    if revision == REVISION:
        return Finding("DATABASE_URL", True, f"{database_name(settings)} has the schema of this version")
    return Finding("DATABASE_URL", True, f"{database_name(settings)} gets the schema of this version at the next start")


def _models(settings: Settings) -> Finding:
    names = [f"{name}/{model}" for name, each in configured_providers(settings).items() for model in each.models]
    if settings.default_model and settings.default_model not in names:
        return Finding("DEFAULT_MODEL", False, f"{settings.default_model} is not one of {', '.join(names)}")
    return Finding("models", True, ", ".join(names))
