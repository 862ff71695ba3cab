"""Building the accounts module."""

import asyncio
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial

from uuid_utils.compat import uuid7

from parley.adapters.security.argon2_passwords import Argon2Passwords
from parley.adapters.security.audit_log import LoggedAudit
from parley.adapters.security.common_passwords import common_passwords
from parley.adapters.security.jwt_tokens import JwtAccessTokens
from parley.adapters.security.phone_numbers import PhoneNumbers
from parley.adapters.sql.accounts.directory import SqlAccountDirectory
from parley.adapters.sql.accounts.unit_of_work import SqlAccountsUnitOfWork
from parley.adapters.sql.billing.plans import PlanLimits
from parley.adapters.sql.engine.database import Database
from parley.adapters.worker.sweeper import Sweep
from parley.bootstrap.built_module import Module, Task
from parley.bootstrap.telemetry import Telemetry
from parley.bootstrap.transport import DELIVER_CODE, Transport
from parley.core.accounts import AccountsPorts
from parley.core.accounts.code_policy import CodePolicy
from parley.core.accounts.deliveries import deliver_code, requeue_deliveries
from parley.core.accounts.human_checks import HumanChecks, HumanStep
from parley.core.accounts.identity_rate_limits import IdentityRateLimits
from parley.core.accounts.known_keys import KnownApiKeys
from parley.core.accounts.model import IdentityKind
from parley.core.accounts.password_rules import PasswordRules
from parley.core.accounts.ports import CodeDelivery, OtpSender
from parley.core.accounts.revocations import REFRESH_SECONDS, RevocationList
from parley.core.accounts.sessions import forget_expired
from parley.core.outgoing_events import Webhooks
from parley.core.plans import Plans
from parley.core.ports import Clock
from parley.runtime.local_secret import local_secret
from parley.settings import Settings, SettingsError

SWEEP_SECONDS = 1.0
TIDY_SECONDS = 3_600.0


def build_accounts(
    settings: Settings,
    plans: Plans,
    database: Database,
    transport: Transport,
    telemetry: Telemetry,
    *,
    passwords: Argon2Passwords | None,
    webhooks: Webhooks,
    now: Clock,
) -> Module[AccountsPorts]:
    """Uses the local secret, creating it if needed, when JWT_SECRET is not set."""
    secrets_ = signing_secrets(settings)
    uow, passwords = SqlAccountsUnitOfWork(database), passwords or Argon2Passwords()
    audit = telemetry.counted(LoggedAudit(derived_keys(secrets_, "audit")[0]))
    checks, numbers = human_checks(settings), mobile_numbers(settings)
    code_delivery = _code_delivery(settings, transport, derived_keys(secrets_, "codes on their way"))
    ports = AccountsPorts(
        uow=uow,
        passwords=passwords,
        password_rules=PasswordRules(common_passwords()),
        mobile_numbers=numbers,
        access_tokens=JwtAccessTokens(secrets_, life=timedelta(minutes=settings.access_token_expire_minutes)),
        api_keys=KnownApiKeys(uow),
        revocations=RevocationList(uow=uow, monotonic=time.monotonic),
        directory=SqlAccountDirectory(database, PlanLimits(plans), now=now),
        rate_limits=IdentityRateLimits(
            rate_limiter=transport.rate_limiter,
            key=derived_keys(secrets_, "throttle")[0],
            audit=audit,
            attempts_per_hour=settings.password_attempts_per_hour,
        ),
        audit=audit,
        code_delivery=code_delivery,
        code_policy=_code_policy(settings, numbers),
        human_checks=checks,
        code_keys=derived_keys(secrets_, "one-time codes"),
        refresh_keys=derived_keys(secrets_, "refresh tokens"),
        usage_keys=derived_keys(secrets_, "usage of erased accounts"),
        usage_counts_for_month=any(plan.tokens_per_month is not None for plan in plans),
        session_life=timedelta(days=settings.refresh_token_expire_days),
        session_max_age=timedelta(days=settings.session_max_days),
        webhooks=webhooks,
        now=now,
        new_id=uuid7,
        new_code=new_code,
        new_token=partial(secrets.token_urlsafe, 32),
    )
    return _module(ports, close=(partial(asyncio.to_thread, passwords.close), *_clients(code_delivery, checks)))


def _clients(code_delivery: CodeDelivery | None, checks: HumanChecks | None) -> Iterator[Callable[[], Awaitable[None]]]:
    """What closes the clients of other servers."""
    if code_delivery is not None:
        yield from (sender.close for sender in code_delivery.senders.values())
    if checks is not None:
        yield checks.check.close


def _module(ports: AccountsPorts, *, close: tuple[Callable[[], Awaitable[None]], ...]) -> Module[AccountsPorts]:
    return Module(
        ports=ports,
        tasks={DELIVER_CODE: Task(id_name="delivery_id", work=partial(deliver_code, ports))},
        api_sweeps=(Sweep("revoked_sessions", REFRESH_SECONDS, lambda: ports.revocations.refresh(ports.now())),),
        worker_sweeps=(
            Sweep("overdue_codes", SWEEP_SECONDS, partial(requeue_deliveries, ports)),
            Sweep("expired_sign_ins", TIDY_SECONDS, partial(forget_expired, ports)),
        ),
        close=close,
    )


def signing_secrets(settings: Settings) -> Sequence[str]:
    return settings.jwt_secret or (local_secret(),)


def derived_keys(secrets_: Sequence[str], use: str) -> list[bytes]:
    """One key for each secret, derived for this use only, so that a signature for one use is void for another."""
    return [hmac.digest(secret.encode(), f"parley {use}".encode(), "sha256") for secret in secrets_]


def _code_policy(settings: Settings, numbers: PhoneNumbers) -> CodePolicy:
    only_country = {"country_share": 1.0} if len(numbers.calling_codes) == 1 else {}
    return CodePolicy(
        settings.otp_expire_seconds,
        settings.otp_resend_seconds,
        settings.otp_max_sends_per_hour,
        sms_per_hour=settings.sms_budget_per_hour,
        emails_per_hour=settings.email_budget_per_hour,
        **only_country,
    )


def mobile_numbers(settings: Settings) -> PhoneNumbers:
    """Raises SettingsError for a country that does not exist."""
    try:
        return PhoneNumbers(settings.sms_countries)
    except ValueError as error:
        raise SettingsError(f"SMS_COUNTRIES: {error}") from error


def human_checks(settings: Settings) -> HumanChecks | None:
    """None unless HUMAN_CHECK names an endpoint. Raises SettingsError for an address that cannot be used."""
    if not settings.human_check:
        return None
    from parley.adapters.human.siteverify import SiteVerify  # noqa: PLC0415  imported only if chosen

    try:
        check = SiteVerify(
            url=settings.human_check_url, secret=settings.human_check_secret, hostnames=settings.human_check_hostnames
        )
    except ValueError as error:
        raise SettingsError(str(error)) from error
    return HumanChecks(check, frozenset(map(HumanStep, settings.human_check)))


def otp_senders(settings: Settings) -> dict[IdentityKind, OtpSender]:
    """The senders of codes by kind of identity; empty with OTP_SENDER=response.

    Raises SettingsError for an address that a sender cannot use.
    """
    try:
        return _otp_senders(settings)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _otp_senders(settings: Settings) -> dict[IdentityKind, OtpSender]:
    senders: dict[IdentityKind, OtpSender] = {}
    if "email" in settings.otp_sender:
        from parley.adapters.otp.smtp import SmtpOtp  # noqa: PLC0415  imported only if chosen

        senders[IdentityKind.EMAIL] = SmtpOtp(
            server=settings.smtp_server,
            port=settings.smtp_port,
            username=settings.smtp_username,
            password=settings.smtp_password,
            sender=settings.smtp_from,
            security=settings.smtp_security,
        )
    if "sms" in settings.otp_sender:
        from parley.adapters.otp.sms_webhook import SmsWebhookOtp  # noqa: PLC0415  imported only if chosen

        senders[IdentityKind.MOBILE_NUMBER] = SmsWebhookOtp(
            url=settings.sms_webhook_url, token=settings.sms_webhook_token
        )
    return senders


def _code_delivery(settings: Settings, transport: Transport, keys: Sequence[bytes]) -> CodeDelivery | None:
    senders = otp_senders(settings)
    if not senders:
        return None
    from parley.adapters.security.fernet import FernetCipher  # noqa: PLC0415  imported only if needed

    return CodeDelivery(senders=senders, queue=transport.queues[DELIVER_CODE], cipher=FernetCipher(keys))


def new_code() -> str:
    return f"{secrets.randbelow(1_000_000):06d}"
