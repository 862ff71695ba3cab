"""Every setting: its type, its default and its meaning."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# The bounds are far above any sense: what is beyond them, such as inf, is a slip.
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Words = tuple[str, ...]

SECRETS = frozenset(
    {
        "DATABASE_URL",
        "REDIS_URL",
        "JWT_SECRET",
        "METRICS_TOKEN",
        "SMTP_PASSWORD",
        "SMS_WEBHOOK_URL",
        "SMS_WEBHOOK_TOKEN",
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "GEMINI_API_KEY",
        "OPENAI_API_KEY",
        "GROQ_API_KEY",
    }
)


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
    metrics_token: Annotated[
        str, Meta(description="What GET /metrics asks for as «Authorization: Bearer …»; unset: it is open to all")
    ] = ""
    worker_metrics_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65_000,
            description="Port of a worker process's metrics, the next process has the next; to this machine alone "
            "without METRICS_TOKEN; 0 is none",
        ),
    ] = 0

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
    frontend_url: Annotated[
        str, Meta(description="Where your product is: payments lead back to it; unset: to a plain page of this server")
    ] = ""
    trusted_proxies: Annotated[
        Words, Meta(description="Addresses or networks of proxies whose X-Forwarded-For is believed")
    ] = ()
    max_connections: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Largest number of open connections of one API process; 0 is as many as the system allows",
        ),
    ] = 10_000
    max_connections_per_address: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Largest number of them from one client address; proxies and this machine have no such limit; "
            "0 is no limit",
        ),
    ] = 500
    cors_origins: Annotated[
        Words, Meta(description="Origins whose pages may call this API from a browser; * is any, not in production")
    ] = ()

    otp_sender: Annotated[
        tuple[Literal["response", "email", "sms"], ...],
        Meta(description="How codes reach people: email, sms, or both; response shows them in the answer"),
    ] = ("response",)
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
            description="Most calls of the public auth endpoints a minute from one address, and most guesses at the "
            "password of one identity an hour; 0 is without limit",
        ),
    ] = 60
    smtp_server: Annotated[str, Meta(description="The mail server for OTP_SENDER=email")] = ""
    smtp_port: Annotated[int, Meta(ge=1, le=65_535, description="Its port; 465 is TLS from the start")] = 587
    smtp_username: Annotated[str, Meta(description="Who logs in there; unset: nobody does")] = ""
    smtp_password: Annotated[str, Meta(description="The password for that")] = ""
    smtp_from: Annotated[
        str, Meta(description="Who the mails are from: Acme Chat <no-reply@acme.example>; the name stands in the text")
    ] = ""
    smtp_security: Annotated[
        Literal["auto", "starttls", "tls", "none"],
        Meta(description="auto: TLS on port 465, else STARTTLS, which only this machine itself may do without"),
    ] = "auto"
    sms_webhook_url: Annotated[
        str, Meta(description='The gateway for OTP_SENDER=sms; gets {"to": …, "text": …} by POST')
    ] = ""
    sms_webhook_token: Annotated[str, Meta(description="Sent to it as «Authorization: Bearer …»")] = ""

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
    stripe_secret_key: Annotated[str, Meta(description="Turns Stripe on; unset: a sandbox where no money moves")] = ""
    stripe_webhook_secret: Annotated[
        str, Meta(description="Of the endpoint POST /webhook/stripe, which is off while this is unset")
    ] = ""
    stripe_price_id: Annotated[str, Meta(description="The recurring price of the Pro plan")] = ""
    stripe_api_base: Annotated[str, Meta(description="Another address of Stripe's API, for tests")] = ""
    subscription_grace_days: Annotated[
        int, Meta(ge=0, le=365, description="How long a subscription whose payment failed still counts")
    ] = 7
    chatroom_cache_seconds: Annotated[
        float, Meta(ge=0, le=31_536_000, description="Longest life of a cached list of rooms; 0 is no cache")
    ] = 600.0
