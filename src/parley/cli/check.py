"""`parley check`: the settings, and every connection that they lead to."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from parley.adapters.sql.billing.unit_of_work import SqlBillingUnitOfWork
from parley.adapters.sql.engine.failures import DatabaseUrlInvalid
from parley.adapters.sql.engine.schema import SchemaOutdated, current_revision, require_current
from parley.adapters.sql.engine.tables import REVISION
from parley.bootstrap.accounts import otp_senders
from parley.bootstrap.billing import stripe_payments
from parley.bootstrap.chat import configured_providers
from parley.bootstrap.database import database_name, open_database
from parley.bootstrap.transport import choose_transport
from parley.core.accounts.model import IdentityKind
from parley.core.accounts.ports import OtpSender, SenderFailed
from parley.core.billing.errors import PaymentsRefused, PaymentsUnavailable
from parley.core.errors import DomainError
from parley.runtime.single_instance import single_instance
from parley.settings import Settings, SettingsError

# A webhook that waits longer than this is not just on its way.
PATIENCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `parley check`; `detail` says what to do when it is not `ok`."""

    subject: str
    ok: bool
    detail: str


async def check_start(settings: Settings) -> None:
    """Raises SettingsError for what lets no API process start: a taken SQLite file, a database without the schema."""
    with single_instance(settings):
        if settings.database_url.startswith("sqlite"):
            return
    database = open_database(settings)
    try:
        await require_current(database)
    except (SchemaOutdated, DatabaseUrlInvalid) as error:
        raise SettingsError(f"DATABASE_URL: {error}") from error
    except (DomainError, SQLAlchemyError) as error:
        raise SettingsError(f"DATABASE_URL: {database_name(settings)} does not answer.") from error
    finally:
        await database.close()


async def check_everything(settings: Settings) -> list[Finding]:
    """The settings themselves were read without a fault: this looks at what they lead to."""
    return [
        Finding("settings", True, f"ENVIRONMENT={settings.environment}"),
        _secret(settings),
        await _database(settings),
        await _redis(settings),
        _models(settings),
        *await _senders(settings),
        await _payments(settings),
        await _events(settings),
    ]


def _secret(settings: Settings) -> Finding:
    if settings.jwt_secret:
        return Finding("JWT_SECRET", True, f"{len(settings.jwt_secret)} given")
    return Finding("JWT_SECRET", True, "not set: one is kept in .parley-secret; set it before there are two machines")


async def _database(settings: Settings) -> Finding:
    name, embedded = database_name(settings), settings.database_url.startswith("sqlite")
    database = open_database(settings)
    try:
        revision = await current_revision(database)
    except DatabaseUrlInvalid as error:
        return Finding("DATABASE_URL", False, str(error))
    except (DomainError, SQLAlchemyError):
        hint = "does its folder exist?" if embedded else "does the server run, and let this machine in?"
        return Finding("DATABASE_URL", False, f"{name} cannot be opened: {hint}")
    finally:
        await database.close()
    if revision == REVISION:
        return Finding("DATABASE_URL", True, f"{name} has the schema of this version")
    if embedded:
        return Finding("DATABASE_URL", True, f"{name} gets the schema of this version at the next start")
    return Finding("DATABASE_URL", False, f"{name} has another schema than this version: run «parley migrate»")


async def _redis(settings: Settings) -> Finding:
    if not settings.redis_url:
        return Finding("REDIS_URL", True, "not set: queue, streams, cache and worker are inside «parley run»")
    wire = choose_transport(settings)
    answers = await wire.health_checks["redis"]()
    return Finding("REDIS_URL", answers, "answers" if answers else "does not answer: does the server run there?")


async def _senders(settings: Settings) -> list[Finding]:
    senders = otp_senders(settings)
    if not senders:
        return [Finding("OTP_SENDER", True, "response: codes are shown in the answer; for development only")]
    return [await _sender(kind, sender) for kind, sender in senders.items()]


async def _sender(kind: IdentityKind, sender: OtpSender) -> Finding:
    name = f"codes by {kind.value}"
    try:
        await sender.check()
    except SenderFailed as error:
        return Finding(name, False, str(error))
    finally:
        await sender.close()
    return Finding(name, True, "whoever is to carry them answers; nothing was sent")


async def _payments(settings: Settings) -> Finding:
    if not settings.stripe_secret_key:
        return Finding("payments", True, "a sandbox where no money moves; for development only")
    provider = stripe_payments(settings)
    try:
        await provider.check()
    except PaymentsUnavailable:
        return Finding("STRIPE_SECRET_KEY", False, "Stripe does not answer: may this machine reach it?")
    except PaymentsRefused:
        return Finding("STRIPE_PRICE_ID", False, "Stripe refuses the key, or has no active recurring price of that id")
    finally:
        await provider.close()
    webhooks = "" if settings.stripe_webhook_secret else "; without STRIPE_WEBHOOK_SECRET plans change once a day only"
    return Finding("payments", True, f"Stripe answers and has the price{webhooks}")


async def _events(settings: Settings) -> Finding:
    """How many webhooks wait; some always may for a moment, old ones mean that the provider does not answer."""
    database = open_database(settings)
    try:
        if await current_revision(database) != REVISION:
            return Finding("webhooks", True, "none yet: their inbox comes with the schema")
        async with SqlBillingUnitOfWork(database)(read_only=True) as unit:
            count, oldest = await unit.events.waiting()
    except (DomainError, SQLAlchemyError, DatabaseUrlInvalid):
        return Finding("webhooks", False, "their inbox cannot be read: see DATABASE_URL")
    finally:
        await database.close()
    if oldest is None or datetime.now(UTC) - oldest < PATIENCE:
        return Finding("webhooks", True, f"{count} wait to be processed")
    hint = "does a worker run, and does the payment provider answer it?"
    return Finding(
        "webhooks", False, f"{count} wait to be processed, the oldest since {oldest:%Y-%m-%d %H:%M} UTC: {hint}"
    )


def _models(settings: Settings) -> Finding:
    names = [f"{name}/{model}" for name, each in configured_providers(settings).items() for model in each.models]
    if settings.default_model and settings.default_model not in names:
        return Finding("DEFAULT_MODEL", False, f"{settings.default_model} is not one of {', '.join(names)}")
    return Finding("models", True, ", ".join(names))
