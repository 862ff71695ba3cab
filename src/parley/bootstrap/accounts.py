"""What signs people in."""

import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from parley.adapters.argon2_passwords import Argon2Passwords
from parley.adapters.audit_log import LoggedAudit
from parley.adapters.jwt_tokens import JwtAccessTokens, JwtStreamTickets
from parley.adapters.sql.accounts import SqlAccountsUnitOfWork
from parley.adapters.sql.database import Database
from parley.bootstrap.metering import Metering
from parley.bootstrap.wires import DELIVER_CODE, Wire
from parley.core.accounts.deliveries import Post
from parley.core.accounts.model import IdentityKind
from parley.core.accounts.ports import AccessTokens, AuditTrail, OtpSender
from parley.core.accounts.revoked import RevokedSessions
from parley.core.accounts.stores import AccountsUnitOfWork
from parley.core.accounts.turns import Turns
from parley.core.chat.tickets import StreamTickets
from parley.local_secret import local_secret
from parley.settings import Settings, SettingsError


@dataclass(frozen=True, kw_only=True)
class SigningIn:
    """The accounts module's ports, for API and workers alike. Keys come as lists: the first signs, all verify."""

    uow: AccountsUnitOfWork
    passwords: Argon2Passwords
    audit: AuditTrail
    turns: Turns
    tokens: AccessTokens
    tickets: StreamTickets
    revoked: RevokedSessions
    post: Post | None
    code_keys: Sequence[bytes]
    refresh_keys: Sequence[bytes]
    sandbox_key: bytes


def signing_in(settings: Settings, database: Database, wire: Wire, meters: Metering) -> SigningIn:
    """Reads or makes the local secret where JWT_SECRET is not set."""
    jwt_secrets = settings.jwt_secret or (local_secret(),)
    uow = SqlAccountsUnitOfWork(database)
    audit = meters.counted(LoggedAudit(_keys(jwt_secrets, "audit")[0]))
    token_life = timedelta(minutes=settings.access_token_expire_minutes)
    return SigningIn(
        uow=uow,
        passwords=Argon2Passwords(),
        audit=audit,
        turns=Turns(
            throttle=wire.throttle,
            key=_keys(jwt_secrets, "throttle")[0],
            audit=audit,
            attempts_per_hour=settings.auth_requests_per_minute,
        ),
        tokens=JwtAccessTokens(jwt_secrets, life=token_life),
        tickets=JwtStreamTickets(jwt_secrets),
        revoked=RevokedSessions(uow=uow, token_life=token_life, monotonic=time.monotonic),
        post=_post(settings, wire, _keys(jwt_secrets, "codes on their way")),
        code_keys=_keys(jwt_secrets, "one-time codes"),
        refresh_keys=_keys(jwt_secrets, "refresh tokens"),
        sandbox_key=_keys(jwt_secrets, "payment sandbox")[0],
    )


def otp_senders(settings: Settings) -> dict[IdentityKind, OtpSender]:
    """Who carries codes to which kind of identity; nobody where the answer shows them.

    Raises SettingsError for an address that a sender cannot use.
    """
    try:
        return _otp_senders(settings)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _otp_senders(settings: Settings) -> dict[IdentityKind, OtpSender]:
    senders: dict[IdentityKind, OtpSender] = {}
    if "email" in settings.otp_sender:
        from parley.adapters.smtp_otp import SmtpOtp  # noqa: PLC0415  only where it is chosen

        senders[IdentityKind.EMAIL] = SmtpOtp(
            server=settings.smtp_server,
            port=settings.smtp_port,
            username=settings.smtp_username,
            password=settings.smtp_password,
            sender=settings.smtp_from,
            security=settings.smtp_security,
        )
    if "sms" in settings.otp_sender:
        from parley.adapters.sms_webhook_otp import SmsWebhookOtp  # noqa: PLC0415  only where it is chosen

        senders[IdentityKind.MOBILE_NUMBER] = SmsWebhookOtp(
            url=settings.sms_webhook_url, token=settings.sms_webhook_token
        )
    return senders


def _post(settings: Settings, wire: Wire, keys: Sequence[bytes]) -> Post | None:
    senders = otp_senders(settings)
    if not senders:
        return None
    from parley.adapters.fernet_seal import FernetSeal  # noqa: PLC0415  only where something is sealed

    return Post(senders=senders, queue=wire.queues[DELIVER_CODE], seal=FernetSeal(keys))


def _keys(jwt_secrets: Sequence[str], use: str) -> list[bytes]:
    """A key of its own for each use, so that what one of them signs is worth nothing elsewhere."""
    return [hmac.digest(secret.encode(), f"parley {use}".encode(), "sha256") for secret in jwt_secrets]
