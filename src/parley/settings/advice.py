"""What is allowed and unwise: the warnings of `parley check`."""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from parley.settings.config_file import read_config_file
from parley.settings.model import SECRETS, Settings, SettingsError
from parley.settings.production import is_any_address, is_local, is_weak

LONG_TOKEN_MINUTES = 60


def advise(
    settings: Settings, environment: Mapping[str, str] | None = None, *, folder: Path = Path()
) -> Iterator[tuple[str, str]]:
    """The variable or file of each unwise setting, and what to do about it."""
    yield from _openness(settings)
    yield from _plain_connections(settings)
    yield from _plain_providers(settings)
    yield from _files(os.environ if environment is None else environment, folder)


def _openness(settings: Settings) -> Iterator[tuple[str, str]]:
    shows_codes, mails, texts = (way in settings.otp_sender for way in ("response", "email", "sms"))
    unwise = {
        ("ALLOW_SHOWN_CODES", "everyone who reaches this server can sign in as anyone; keep it from other machines"): (
            settings.allow_shown_codes and shows_codes
        ),
        ("METRICS_TOKEN", "not set: everyone may read /metrics"): not settings.metrics_token,
        ("AUTH_REQUESTS_PER_MINUTE", "0: guesses and sign-ins by one address are not limited"): (
            not settings.auth_requests_per_minute
        ),
        ("ACCOUNT_REQUESTS_PER_MINUTE", "0: one account may keep this server busy"): (
            not settings.account_requests_per_minute
        ),
        ("SMS_COUNTRIES", "not set: SMS go to every country, some of which cost many times more"): (
            texts and not settings.sms_countries
        ),
        ("SMS_BUDGET_PER_HOUR", "0: strangers decide how many SMS you pay for"): (
            texts and not settings.sms_budget_per_hour
        ),
        ("EMAIL_BUDGET_PER_HOUR", "0: strangers decide how many mails are sent in your name"): (
            mails and not settings.email_budget_per_hour
        ),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", "a stolen token works for that long; an hour or less is usual"): (
            settings.access_token_expire_minutes > LONG_TOKEN_MINUTES
        ),
        ("CORS_ORIGINS", "*, or null: pages of every site may call this server"): (
            any("*" in origin or origin == "null" for origin in settings.cors_origins)
        ),
        ("TRUSTED_PROXIES", "a network larger than any private one: clients in it choose their address"): (
            any(map(is_any_address, settings.proxies))
        ),
        ("JWT_SECRET", "is easy to guess: generate one"): any(map(is_weak, settings.jwt_secret)),
        ("ADMIN_TOKEN", "is easy to guess: generate one"): bool(settings.admin_token) and is_weak(settings.admin_token),
        ("ALLOW_PLAIN_CONNECTIONS", "nothing else may reach the network between them"): (
            bool(settings.allow_plain_connections)
        ),
        ("SMTP_SECURITY", "none: codes cross the network readable"): mails and settings.smtp_security == "none",
        ("DOCS", "on: everyone may read the interactive documentation"): (
            settings.environment == "production" and settings.docs_served
        ),
    }
    yield from (each for each, is_so in unwise.items() if is_so)


def _plain_connections(settings: Settings) -> Iterator[tuple[str, str]]:
    """Servers on other machines that are reached without TLS, or with TLS that verifies nothing."""
    urls = [name for name in Settings.__struct_fields__ if name.endswith("_base_url")]
    for name in (*urls, "sms_webhook_url", "human_check_url", "stripe_api_base"):
        address = getattr(settings, name)
        if address.startswith("http://") and not is_local(urlsplit(address).hostname):
            yield name.upper(), "http://: keys and texts cross the network readable"
    if any(url.startswith("http://") and not is_local(urlsplit(url).hostname) for url in settings.webhook_url):
        yield "WEBHOOK_URL", "http://: what happens to accounts crosses the network readable"
    if any(parameter in settings.redis_url for parameter in ("ssl_cert_reqs=none", "ssl_check_hostname=false")):
        yield "REDIS_URL", "does not verify the server: another machine on the way can pose as it"


def _plain_providers(settings: Settings) -> Iterator[tuple[str, str]]:
    """As above, for the providers of parley.toml."""
    # A file that cannot be read is refused elsewhere.
    with suppress(SettingsError):
        for name, provider in read_config_file(settings).providers.items():
            if provider.base_url.startswith("http://") and not is_local(urlsplit(provider.base_url).hostname):
                yield f"providers.{name}", "http://: keys and texts cross the network readable"


def _files(environment: Mapping[str, str], folder: Path) -> Iterator[tuple[str, str]]:
    """Files with secrets that every user of this machine may read or change."""
    files = {f"{name}_FILE": environment.get(f"{name}_FILE") for name in sorted(SECRETS)}
    for subject, file in {**files, ".env": ".env", ".parley-secret": ".parley-secret"}.items():
        if file and os.name == "posix" and _open_to_others(folder / file):
            yield subject, "every user of this machine may read or change the file: chmod 600"


def _open_to_others(file: Path) -> bool:
    return file.exists() and bool(file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH))
