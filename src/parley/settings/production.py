"""Refusing settings that are only safe for development, when ENVIRONMENT=production."""

from ipaddress import ip_address, ip_network
from urllib.parse import parse_qs, urlsplit

from parley.settings.config_file import read_config_file
from parley.settings.model import Settings, SettingsError

SHORTEST_METRICS_TOKEN = 16
# A secret with fewer different characters was typed, not generated.
FEWEST_CHARACTERS = 5
# The largest private networks: 10.0.0.0/8 (RFC 1918) and fc00::/7 (RFC 4193). No proxies need more.
LARGEST_PROXY_NETWORKS = {4: 8, 6: 7}
_ADDRESSES = ("public_url", "frontend_url", "sms_webhook_url", "human_check_url")
_TLS_MODES = frozenset({"require", "verify-ca", "verify-full"})


def check_production(settings: Settings) -> None:
    """Raises SettingsError for the first thing that is unsafe."""
    _check_limits(settings)
    if not settings.jwt_secret:
        raise SettingsError("JWT_SECRET: must be set when ENVIRONMENT=production.")
    if any("*" in origin or origin == "null" for origin in settings.cors_origins):
        raise SettingsError(
            "CORS_ORIGINS: name the origins; * and null, which any page can have, are refused when "
            "ENVIRONMENT=production."
        )
    if not (settings.default_model or settings.providers or read_config_file(settings).providers):
        raise SettingsError(
            "DEFAULT_MODEL: set the key of a model, or name a provider in parley.toml; ENVIRONMENT=production uses the "
            "offline model only with DEFAULT_MODEL=offline/echo."
        )
    if "response" in settings.otp_sender:
        raise SettingsError(
            "OTP_SENDER: response shows codes to every caller; it is refused when ENVIRONMENT=production."
        )
    if not settings.stripe_secret_key:
        raise SettingsError(
            "STRIPE_SECRET_KEY: without it payments go to the sandbox, refused when ENVIRONMENT=production."
        )
    if not settings.frontend_url and not settings.public_url:
        raise SettingsError("FRONTEND_URL: set it, or PUBLIC_URL, so that payments can lead back.")
    _check_secrets(settings)
    _check_proxies(settings)
    _check_encryption(settings)
    if "sms" in settings.otp_sender and not settings.sms_countries:
        raise SettingsError(
            "SMS_COUNTRIES: name the countries of your users when ENVIRONMENT=production, such as IN,US; SMS to some "
            "others cost many times more."
        )


def is_weak(secret: str) -> bool:
    repeats_a_part = secret in f"{secret}{secret}"[1:-1]
    return repeats_a_part or len(set(secret)) < FEWEST_CHARACTERS or "changeme" in secret.lower()


def is_any_address(network: str) -> bool:
    """Whether the network of proxies contains so many addresses that clients are among them."""
    given = ip_network(network, strict=False)
    mapped = getattr(given.network_address, "ipv4_mapped", None)
    length = given.prefixlen - 96 if mapped and given.prefixlen >= 96 else given.prefixlen  # noqa: PLR2004 - RFC 4291
    return length < LARGEST_PROXY_NETWORKS[4 if mapped else given.version]


def is_local(host: str | None) -> bool:
    """Whether the host is this machine by its name or address; a socket has no host."""
    if not host or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_limits(settings: Settings) -> None:
    budgets = [f"{way}_budget_per_hour" for way in ("sms", "email") if way in settings.otp_sender]
    for name in ("auth_requests_per_minute", "password_attempts_per_hour", *budgets):
        if getattr(settings, name) == 0:
            raise SettingsError(f"{name.upper()}: 0 is no limit; it is refused when ENVIRONMENT=production.")


def _check_secrets(settings: Settings) -> None:
    if any(is_weak(secret) for secret in settings.jwt_secret):
        raise SettingsError("JWT_SECRET: is too easy to guess: generate it, as .env.example says.")
    if settings.admin_token and is_weak(settings.admin_token):
        raise SettingsError("ADMIN_TOKEN: is too easy to guess: generate it as JWT_SECRET.")
    if len(settings.metrics_token) < SHORTEST_METRICS_TOKEN or is_weak(settings.metrics_token):
        raise SettingsError(
            f"METRICS_TOKEN: ENVIRONMENT=production needs a random one of at least {SHORTEST_METRICS_TOKEN} characters."
        )


def _check_proxies(settings: Settings) -> None:
    if not settings.trusted_proxies:
        raise SettingsError(
            "TRUSTED_PROXIES: name the proxies in front when ENVIRONMENT=production, or none; without it all clients "
            "behind a proxy share one rate limit."
        )
    if any(map(is_any_address, settings.proxies)):
        raise SettingsError(
            "TRUSTED_PROXIES: a network larger than 10.0.0.0/8 or fc00::/7 lets clients in it choose their address."
        )


def _check_encryption(settings: Settings) -> None:
    """What users and stores exchange with this server is encrypted; model and mail servers may be beside it."""
    urls = {name.upper(): [getattr(settings, name)] for name in _ADDRESSES}
    for name, addresses in {**urls, "CORS_ORIGINS": settings.cors_origins, "WEBHOOK_URL": settings.webhook_url}.items():
        if any(
            address.lower().startswith("http://") and not is_local(urlsplit(address).hostname) for address in addresses
        ):
            raise SettingsError(f"{name}: begin with https:// when ENVIRONMENT=production.")
    for store, encrypted in (("postgresql", _postgresql_encrypts(settings)), ("redis", _redis_encrypts(settings))):
        if not encrypted and store not in settings.allow_plain_connections:
            variable, how = _STORES[store]
            raise SettingsError(
                f"{variable}: {how} when ENVIRONMENT=production; or, in a network that nothing else reaches, set "
                f"ALLOW_PLAIN_CONNECTIONS={store}."
            )


_STORES = {
    "postgresql": ("DATABASE_URL", "end with ?sslmode=verify-full, or require,"),
    "redis": ("REDIS_URL", "begin with rediss://"),
}


def _postgresql_encrypts(settings: Settings) -> bool:
    if settings.database_url.startswith("sqlite"):
        return True
    url = urlsplit(settings.database_url)
    options = parse_qs(url.query)
    modes = options.get("sslmode", []) + options.get("ssl", [])
    # libpq's parameter `host` goes before the host of the address; a path is a socket.
    hosts = options["host"][-1].split(",") if "host" in options else [url.hostname or ""]
    here = "service" not in options and all(is_local(host) or host.startswith("/") for host in hosts)
    return here or (bool(modes) and set(modes) <= _TLS_MODES)


def _redis_encrypts(settings: Settings) -> bool:
    return not settings.redis_url.startswith("redis://") or is_local(urlsplit(settings.redis_url).hostname)
