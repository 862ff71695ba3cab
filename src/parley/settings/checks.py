"""Refusing settings that contradict each other, before anything starts."""

import re
from email.utils import parseaddr
from ipaddress import ip_network

from parley.settings.addresses import check_address, check_redis_address
from parley.settings.model import Settings, SettingsError
from parley.settings.production import check_production

SHORTEST_SECRET = 32
# Nothing that a pattern of an ACL or a hash tag could be made of.
_REDIS_PREFIX = re.compile("[A-Za-z0-9:._-]{0,64}")
# With the slash that is copied from an address bar; also of apps, such as capacitor://localhost.
_ORIGIN = re.compile(r"\*|null|[A-Za-z][A-Za-z0-9+.-]*://[^/?#@\s]+/?")


def check(settings: Settings) -> None:
    """Raises SettingsError for the first thing that is wrong."""
    _check_lists(settings)
    _check_database(settings)
    _check_secrets(settings)
    _check_senders(settings)
    _check_human(settings)
    _check_payments(settings)
    _check_webhooks(settings)
    if settings.environment == "production":
        check_production(settings)


def _check_lists(settings: Settings) -> None:
    for name in Settings.__struct_fields__:
        if name.endswith("_models") and not getattr(settings, name):
            raise SettingsError(f"{name.upper()}: name at least one model.")
    if not all(map(_ORIGIN.fullmatch, settings.cors_origins)):
        raise SettingsError(
            "CORS_ORIGINS: each must be scheme and host, with a port if it has one, such as https://app.example."
        )
    if "none" in settings.trusted_proxies and len(settings.trusted_proxies) > 1:
        raise SettingsError("TRUSTED_PROXIES: none cannot be combined with a proxy.")
    for proxy in settings.proxies:
        try:
            ip_network(proxy, strict=False)
        except ValueError as error:
            raise SettingsError("TRUSTED_PROXIES: each must be an address or a network such as 10.0.0.0/8.") from error


def _check_database(settings: Settings) -> None:
    address = settings.database_url
    if not address.startswith(("sqlite:///", "postgresql://", "postgres://", "postgresql+asyncpg://")):
        raise SettingsError("DATABASE_URL: begin with sqlite:/// and a path, or with postgresql://.")
    if address in {"sqlite:///", "sqlite:///:memory:"}:
        raise SettingsError("DATABASE_URL: name a file after sqlite:///, such as sqlite:///parley.db.")
    if not address.startswith("sqlite"):
        check_address("DATABASE_URL", address)
    if _REDIS_PREFIX.fullmatch(settings.redis_prefix) is None:
        raise SettingsError("REDIS_PREFIX: use up to 64 letters, digits and the characters : . _ - only.")
    if not settings.redis_url:
        return
    check_redis_address(settings.redis_url)
    if address.startswith("sqlite"):
        raise SettingsError(
            "REDIS_URL: several machines cannot share a SQLite file: set DATABASE_URL=postgresql://… as well, or leave "
            "REDIS_URL out."
        )
    if not settings.jwt_secret:
        raise SettingsError("JWT_SECRET: must be set with REDIS_URL, and be the same for every process.")


def _check_secrets(settings: Settings) -> None:
    if any(len(secret.encode()) < SHORTEST_SECRET for secret in settings.jwt_secret):
        raise SettingsError(
            f"JWT_SECRET: each secret needs at least {SHORTEST_SECRET} bytes (RFC 7518, 3.2). This makes one: "
            "python -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    if settings.admin_token and len(settings.admin_token.encode()) < SHORTEST_SECRET:
        raise SettingsError(f"ADMIN_TOKEN: needs at least {SHORTEST_SECRET} characters; generate it as JWT_SECRET.")


def _check_senders(settings: Settings) -> None:
    if not settings.otp_sender:
        raise SettingsError("OTP_SENDER: choose one of response, email, sms.")
    if "response" in settings.otp_sender and len(settings.otp_sender) > 1:
        raise SettingsError("OTP_SENDER: response cannot be combined; email and sms can.")
    if "email" in settings.otp_sender:
        if not settings.smtp_server:
            raise SettingsError("SMTP_SERVER: name the mail server, since OTP_SENDER includes email.")
        if "@" not in parseaddr(settings.smtp_from)[1]:
            raise SettingsError("SMTP_FROM: give an address, such as Acme Chat <no-reply@acme.example>.")
        if bool(settings.smtp_username) != bool(settings.smtp_password):
            raise SettingsError("SMTP_USERNAME and SMTP_PASSWORD go together: set both, or neither.")
    if "sms" in settings.otp_sender and not settings.sms_webhook_url.startswith(("https://", "http://")):
        raise SettingsError("SMS_WEBHOOK_URL: begin with https://, since OTP_SENDER includes sms.")


def _check_human(settings: Settings) -> None:
    if settings.human_check and not settings.human_check_secret:
        raise SettingsError("HUMAN_CHECK_SECRET: must be set with HUMAN_CHECK.")
    if not settings.human_check_url.startswith(("https://", "http://")):
        raise SettingsError("HUMAN_CHECK_URL: begin with https:// or http://.")


def _check_payments(settings: Settings) -> None:
    for name in ("public_url", "frontend_url", "stripe_api_base"):
        if getattr(settings, name) and not getattr(settings, name).startswith(("https://", "http://")):
            raise SettingsError(f"{name.upper()}: begin with https:// or http://.")


def _check_webhooks(settings: Settings) -> None:
    if settings.webhook_url and not settings.webhook_secret:
        raise SettingsError("WEBHOOK_SECRET: must be set with WEBHOOK_URL.")
    if not all(url.startswith(("https://", "http://")) for url in settings.webhook_url):
        raise SettingsError("WEBHOOK_URL: each must begin with https:// or http://.")
