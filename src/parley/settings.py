"""What an operator can set: the one place that reads the environment.

Every field is set by the variable of the same name in capitals, in the environment or in `.env` in the working folder,
the environment winning. A secret may also come from the file that NAME_FILE names, as container platforms provide it.
"""

import os
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from dotenv import dotenv_values
from msgspec import Meta

SHORTEST_SECRET = 32
# The bounds are far above any sense: what is beyond them, such as inf, is a slip.
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Words = tuple[str, ...]

SECRETS = frozenset({"DATABASE_URL", "REDIS_URL", "JWT_SECRET", "GEMINI_API_KEY", "OPENAI_API_KEY", "GROQ_API_KEY"})


class SettingsError(Exception):
    """A setting is wrong. The message is one line for the operator that names the variable and never its value."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Durations are in seconds unless the name says otherwise. Lists are comma-separated."""

    def __repr__(self) -> str:
        shown = {field: value for field, value in msgspec.structs.asdict(self).items() if field.upper() not in SECRETS}
        return f"Settings({shown})"

    environment: Annotated[
        Literal["development", "production"], Meta(description="production refuses what is only safe on a laptop")
    ] = "development"
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="The least severe log lines to write")
    ] = "INFO"
    log_format: Annotated[
        Literal["console", "json"], Meta(description="Log lines for people, or one JSON object a line")
    ] = "console"

    database_url: Annotated[
        str,
        Meta(description="sqlite:///path of a file, made at the first start; or postgresql://user:password@host/name"),
    ] = "sqlite:///parley.db"
    redis_url: Annotated[
        str, Meta(description="redis://host:6379/0, for several processes and workers; needs PostgreSQL")
    ] = ""
    jwt_secret: Annotated[
        Words,
        Meta(description="Secrets of at least 32 bytes: the first signs, all verify; unset: made and kept locally"),
    ] = ()
    access_token_expire_minutes: Annotated[int, Meta(ge=1, le=525_600, description="Life of an access token")] = 15
    refresh_token_expire_days: Annotated[
        int, Meta(ge=1, le=36_500, description="Life of a session without a refresh")
    ] = 30
    public_url: Annotated[
        str, Meta(description="Where clients reach this API; unset: addresses in answers are paths")
    ] = ""
    trusted_proxies: Annotated[
        Words, Meta(description="Addresses or networks of proxies whose X-Forwarded-For is believed")
    ] = ()
    cors_origins: Annotated[
        Words, Meta(description="Origins whose pages may call this API from a browser; * is any, not in production")
    ] = ()

    otp_sender: Annotated[
        Literal["response"], Meta(description="How codes reach people; response shows them in the answer")
    ] = "response"
    otp_expire_seconds: Annotated[int, Meta(ge=30, le=600, description="Life of a one-time code")] = 600
    otp_resend_seconds: Annotated[
        int, Meta(ge=0, le=86_400, description="Least time between two codes for one identity")
    ] = 60
    otp_max_sends_per_hour: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Most codes an hour for one identity")
    ] = 5
    auth_requests_per_minute: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Most calls of the public auth endpoints from one address; 0 is without limit",
        ),
    ] = 60

    default_model: Annotated[
        str, Meta(description="provider/model; unset: the first of the first provider with a key, else offline/echo")
    ] = ""
    offline_delay_seconds: Annotated[
        float, Meta(ge=0, le=86_400, description="Pause of the offline model before each word")
    ] = 0.03
    gemini_api_key: Annotated[str, Meta(description="Turns Gemini on")] = ""
    gemini_base_url: Annotated[str, Meta(description="Another address of the Gemini API")] = ""
    gemini_api_version: Annotated[str, Meta(description="Version in the path of the Gemini API")] = "v1beta"
    gemini_models: Annotated[Words, Meta(description="Gemini models to offer")] = (
        "gemini-flash-latest",
        "gemini-pro-latest",
    )
    openai_api_key: Annotated[str, Meta(description="Turns OpenAI on, or whatever OPENAI_BASE_URL names")] = ""
    openai_base_url: Annotated[
        str, Meta(description="An OpenAI-compatible server, such as one of your own; it may need no key")
    ] = ""
    openai_models: Annotated[Words, Meta(description="OpenAI models to offer")] = ("gpt-5-mini", "gpt-5")
    groq_api_key: Annotated[str, Meta(description="Turns Groq on")] = ""
    groq_base_url: Annotated[str, Meta(description="Address of Groq's OpenAI-compatible API")] = (
        "https://api.groq.com/openai/v1"
    )
    groq_models: Annotated[Words, Meta(description="Groq models to offer")] = ("llama-3.3-70b-versatile",)

    model_first_token_seconds: Annotated[Seconds, Meta(description="Longest wait for a model's first word")] = 30.0
    model_idle_seconds: Annotated[Seconds, Meta(description="Longest silence of a model in mid-answer")] = 30.0
    model_total_seconds: Annotated[Seconds, Meta(description="Longest time for one attempt at a reply")] = 300.0
    model_max_attempts: Annotated[
        int, Meta(ge=1, le=20, description="Attempts at a reply before it fails and its quota is returned")
    ] = 4
    context_characters: Annotated[
        int, Meta(ge=1, le=1_000_000_000, description="Most characters of a room's history that a model is given")
    ] = 100_000
    reply_lease_seconds: Annotated[
        Seconds, Meta(description="How long a silent worker keeps a reply before another takes it over")
    ] = 15.0
    max_pending_replies: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Most unfinished replies of one account")
    ] = 20

    basic_daily_limit: Annotated[
        int, Meta(ge=0, le=1_000_000_000, description="Messages a UTC day on the Basic plan")
    ] = 5
    chatroom_cache_seconds: Annotated[
        float, Meta(ge=0, le=31_536_000, description="Longest life of a cached list of rooms; 0 is no cache")
    ] = 600.0


def read_settings(environment: Mapping[str, str] | None = None, *, dotenv: Path = Path(".env")) -> Settings:
    """Settings out of the environment (this process's unless given) and `dotenv`. Raises SettingsError."""
    given = {name: value for name, value in _read(dotenv).items() if value is not None}
    given |= os.environ if environment is None else environment
    values = {}
    for field in msgspec.structs.fields(Settings):
        name = field.name.upper()
        value = _secret(name, given) if name in SECRETS else given.get(name, "")
        if value.strip():
            values[field.name] = _words(value) if field.name in _LISTS else value.strip()
    settings = _typed(values)
    for check in (_check_lists, _check_database, _check_secrets, _check_production):
        check(settings)
    return settings


def _read(dotenv: Path) -> dict[str, str | None]:
    try:
        return dotenv_values(dotenv)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(".env: the file cannot be read as text.") from error


def _secret(name: str, given: Mapping[str, str]) -> str:
    file = given.get(f"{name}_FILE")
    if not file:
        return given.get(name, "")
    if given.get(name):
        raise SettingsError(f"{name} and {name}_FILE are both set: keep one.")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}_FILE: the file it names cannot be read as text.") from error


def _words(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


def _typed(values: Mapping[str, Any]) -> Settings:
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        wrong, _, path = str(error).partition(" - at `$.")
        name = path.rstrip("`").partition("[")[0]
        if name.upper() in SECRETS:
            wrong = "is not valid"
        choices = _choices(name)
        raise SettingsError(f"{name.upper()}: {f'choose one of {choices}' if choices else wrong}.") from error


def _choices(name: str) -> str:
    return ", ".join(get_args(_TYPES.get(name))) if get_origin(_TYPES.get(name)) is Literal else ""


def _check_lists(settings: Settings) -> None:
    for name in ("gemini_models", "openai_models", "groq_models"):
        if not getattr(settings, name):
            raise SettingsError(f"{name.upper()}: names no model.")
    for proxy in settings.trusted_proxies:
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
    if not settings.redis_url:
        return
    if not settings.redis_url.startswith(("redis://", "rediss://", "unix://")):
        raise SettingsError("REDIS_URL: begin with redis://, rediss:// or unix://.")
    if address.startswith("sqlite"):
        raise SettingsError(
            "REDIS_URL: is for several machines, and SQLite is a file on one: set DATABASE_URL=postgresql://… with it, "
            "or leave REDIS_URL out."
        )
    if not settings.jwt_secret:
        raise SettingsError("JWT_SECRET: must be set with REDIS_URL, and be the same for every process.")


def _check_secrets(settings: Settings) -> None:
    if any(len(secret.encode()) < SHORTEST_SECRET for secret in settings.jwt_secret):
        raise SettingsError(
            f"JWT_SECRET: each secret needs at least {SHORTEST_SECRET} bytes (RFC 7518, 3.2). This makes one: "
            "python -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )


def _check_production(settings: Settings) -> None:
    if settings.environment != "production":
        return
    if not settings.jwt_secret:
        raise SettingsError("JWT_SECRET: must be set when ENVIRONMENT=production.")
    if "*" in settings.cors_origins:
        raise SettingsError("CORS_ORIGINS: name the origins; * is refused when ENVIRONMENT=production.")
    providers = (settings.gemini_api_key, settings.openai_api_key, settings.openai_base_url, settings.groq_api_key)
    if not settings.default_model and not any(providers):
        raise SettingsError(
            "DEFAULT_MODEL: no model has a key, and ENVIRONMENT=production uses the offline model only when "
            "DEFAULT_MODEL=offline/echo says so."
        )
    if settings.otp_sender == "response":
        raise SettingsError("OTP_SENDER: response shows codes to whoever asks; refused when ENVIRONMENT=production.")


_TYPES = get_type_hints(Settings)
_LISTS = frozenset(name for name, kind in _TYPES.items() if kind == Words)
