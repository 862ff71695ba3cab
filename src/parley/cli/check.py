"""`parley check`: checking the settings and every connection that they name."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from uuid import UUID

from parley.adapters.sql.billing.plans import PlanLimits
from parley.adapters.sql.billing.unit_of_work import SqlBillingUnitOfWork
from parley.adapters.sql.engine.failures import DatabaseFailed
from parley.adapters.sql.engine.tables import REVISION
from parley.bootstrap.accounts import human_checks, mobile_numbers, otp_senders
from parley.bootstrap.billing import stripe_payments
from parley.bootstrap.database import database_name, open_database, require_schema, schema_revision, try_database
from parley.bootstrap.models import configured_providers, model_catalogue, model_prices, title_rules
from parley.bootstrap.plans import build_plans
from parley.bootstrap.transport import redis_fault
from parley.bootstrap.webhooks import webhook_senders
from parley.core.accounts.model import IdentityKind
from parley.core.accounts.ports import OtpSender, SenderFailed
from parley.core.billing.errors import PaymentsRefused, PaymentsUnavailable
from parley.core.billing.ports import PaymentProvider
from parley.core.chat.catalogue import Provider
from parley.core.chat.errors import ModelFailed
from parley.core.errors import DomainError, Unavailable
from parley.core.plans import EVERY_MODEL, Plan, Plans
from parley.core.webhooks.ports import EndpointFailed, WebhookSender
from parley.settings import ConfigFile, Settings, SettingsError, read_config_file

# A webhook event that has waited longer is stuck.
LONGEST_WAIT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `parley check`; `detail` says what to do when it is not `ok`."""

    subject: str
    ok: bool
    detail: str


async def check_everything(settings: Settings) -> list[Finding]:
    """One finding for each connection; the settings themselves were valid when they were read."""
    try:
        file = read_config_file(settings)
        plans = build_plans(settings, file)
    except SettingsError as error:
        setting, _, fault = str(error).partition(": ")
        return [Finding(setting, False, fault)]
    return [
        Finding("settings", True, f"ENVIRONMENT={settings.environment}"),
        _secret(settings),
        await _database(settings),
        await _redis(settings),
        *await _models(settings, file, plans),
        *await _senders(settings),
        *await _human_check(settings),
        *(Finding(f"plan {plan.name}", True, _allowed(plan)) for plan in plans),
        await _payments(settings, file, plans),
        *await _webhooks(settings),
        *await _stored_payments(settings, plans),
    ]


def _allowed(plan: Plan) -> str:
    """What the plan was understood to say."""
    limits = {field.name: getattr(plan, field.name) for field in fields(plan) if field.name not in {"name", "title"}}
    said = [
        f"{name}={', '.join(limit) if isinstance(limit, tuple) else limit}"
        for name, limit in limits.items()
        if limit and limit != EVERY_MODEL
    ]
    said += [f"{name}=0" for name, limit in limits.items() if limit == 0 and name != "trial_days"]
    return "; ".join(said) or "no limits"


async def _missing(plan: Plan, provider: PaymentProvider) -> AsyncGenerator[str, None]:
    """The plan's prices that are not there. Only the first one must still be sold."""
    for price_id in plan.prices:
        price = await provider.price(price_id)
        if price is None or not (price.is_active or price_id != plan.prices[0]):
            yield price_id


def _secret(settings: Settings) -> Finding:
    if settings.jwt_secret:
        return Finding("JWT_SECRET", True, f"{len(settings.jwt_secret)} given")
    return Finding(
        "JWT_SECRET", True, "not set: a secret is stored in .parley-secret; set it before you use a second machine"
    )


async def _database(settings: Settings) -> Finding:
    database = open_database(settings)
    try:
        revision = await schema_revision(settings, database)
        if not settings.database_url.startswith("sqlite"):
            await require_schema(settings, database)
        await try_database(settings, database)
    except SettingsError as error:
        return Finding("DATABASE_URL", False, str(error).removeprefix("DATABASE_URL: "))
    finally:
        await database.close()
    return Finding("DATABASE_URL", True, f"{database_name(settings)} {_schema(revision)}")


def _schema(revision: str | None) -> str:
    if revision is None or revision < REVISION:
        return "gets the schema of this version at the next start"
    if revision > REVISION:
        return "has the schema of a newer version, which this version works with"
    return "has the schema of this version"


async def _redis(settings: Settings) -> Finding:
    if not settings.redis_url:
        return Finding("REDIS_URL", True, "not set: queue, streams, cache and worker are inside «parley run»")
    fault = await redis_fault(settings)
    return Finding("REDIS_URL", fault is None, fault or "queue, streams, channels and scripts work")


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
    return Finding(name, True, "the server answers; nothing was sent")


async def _human_check(settings: Settings) -> list[Finding]:
    try:
        checks = human_checks(settings)
        mobile_numbers(settings)
    except SettingsError as error:
        setting, _, fault = str(error).partition(": ")
        return [Finding(setting, False, fault)]
    if checks is None:
        return []
    try:
        await checks.check.check()
    except Unavailable:
        return [Finding("HUMAN_CHECK", False, "its server does not answer, or refuses HUMAN_CHECK_SECRET: see the log")]
    finally:
        await checks.check.close()
    return [Finding("HUMAN_CHECK", True, f"its server answers; asked for by {', '.join(settings.human_check)}")]


async def _payments(settings: Settings, file: ConfigFile, plans: Plans) -> Finding:
    if not settings.stripe_secret_key:
        return Finding("payments", True, "a sandbox where no money moves; for development only")
    provider = stripe_payments(settings, plans)
    try:
        missing = [f"{price} of {plan.name}" for plan in plans async for price in _missing(plan, provider)]
    except PaymentsUnavailable:
        return Finding("STRIPE_SECRET_KEY", False, "Stripe does not answer: may this machine reach it?")
    except PaymentsRefused:
        return Finding("STRIPE_SECRET_KEY", False, "Stripe refuses the key")
    finally:
        await provider.close()
    if missing:
        where = "parley.toml" if file.plans else "STRIPE_PRICE_ID"
        return Finding(where, False, f"Stripe has no active recurring price {', '.join(missing)}")
    webhooks = "" if settings.stripe_webhook_secret else "; without STRIPE_WEBHOOK_SECRET plans change once a day only"
    return Finding("payments", True, f"Stripe answers and has the price{webhooks}")


async def _webhooks(settings: Settings) -> list[Finding]:
    try:
        senders = webhook_senders(settings)
    except SettingsError as error:
        setting, _, fault = str(error).partition(": ")
        return [Finding(setting, False, fault)]
    return list(await asyncio.gather(*(_endpoint(name, sender) for name, sender in senders.items())))


async def _endpoint(name: str, sender: WebhookSender) -> Finding:
    try:
        answer = await sender.check()
    except EndpointFailed as error:
        return Finding(f"webhooks to {name}", False, str(error))
    finally:
        await sender.close()
    return Finding(f"webhooks to {name}", True, f"{answer}; no event was sent")


async def _stored_payments(settings: Settings, plans: Plans) -> list[Finding]:
    """Webhook events that wait, and accounts that pay twice."""
    database = open_database(settings)
    try:
        revision = await schema_revision(settings, database)
        if revision is None or revision < REVISION:
            return [Finding("webhooks", True, "none yet: their table comes with the schema")]
        async with SqlBillingUnitOfWork(database, PlanLimits(plans))(read_only=True) as unit:
            count, oldest = await unit.events.waiting()
            doubled = await unit.subscriptions.doubled(datetime.now(UTC))
    except (SettingsError, DomainError, DatabaseFailed):
        return [Finding("webhooks", False, "their table cannot be read: see DATABASE_URL")]
    finally:
        await database.close()
    return [_events(count, oldest), *([_doubled(doubled)] if doubled else [])]


def _doubled(accounts: list[UUID]) -> Finding:
    named = ", ".join(map(str, accounts))
    return Finding(
        "subscriptions", False, f"accounts with two that run: {named}; cancel and refund one of them at the provider"
    )


def _events(count: int, oldest: datetime | None) -> Finding:
    """Old ones mean that no worker runs or that the provider does not answer."""
    if oldest is None or datetime.now(UTC) - oldest < LONGEST_WAIT:
        return Finding("webhooks", True, f"{count} wait to be processed")
    hint = "does a worker run, and does the payment provider answer it?"
    return Finding(
        "webhooks", False, f"{count} wait to be processed, the oldest since {oldest:%Y-%m-%d %H:%M} UTC: {hint}"
    )


async def _models(settings: Settings, file: ConfigFile, plans: Plans) -> list[Finding]:
    """A finding for each provider, which is asked for its models, and one for the choice among the models."""
    try:
        providers = configured_providers(settings, file)
        catalogue = model_catalogue(settings, plans, providers)
        model_prices(settings, file, catalogue.names)
        titles = title_rules(settings, catalogue)
    except SettingsError as error:
        setting, _, fault = str(error).partition(": ")
        return [Finding(setting, False, fault)]
    findings = await asyncio.gather(*(_provider(name, each) for name, each in providers.items()))
    chosen = f"{', '.join(catalogue.names)}; by default {catalogue.default}"
    if not titles.are_written:
        chosen += "; no titles"
    elif titles.model is not None:
        chosen += f"; titles by {titles.model}"
    fallbacks = f"; fallbacks {', '.join(catalogue.fallbacks)}" if catalogue.fallbacks else ""
    return [*findings, Finding("models", True, chosen + fallbacks)]


async def _provider(name: str, provider: Provider) -> Finding:
    try:
        answer = await provider.writer.check(provider.models)
    except ModelFailed as failure:
        known = failure.cause.startswith(failure.detail)
        return Finding(f"models of {name}", False, failure.cause if known else f"{failure.detail} {failure.cause}")
    finally:
        await provider.writer.close()
    return Finding(f"models of {name}", True, answer)
