"""Every setting: its type, its default and its meaning."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# The bounds are far above sensible values, so that a mistake such as inf is refused.
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

    @property
    def proxies(self) -> Words:
        """The trusted proxies; none of them for TRUSTED_PROXIES=none."""
        return () if self.trusted_proxies == ("none",) else self.trusted_proxies

    @property
    def docs_served(self) -> bool:
        return self.docs == "on" or (self.docs == "auto" and self.environment == "development")

    environment: Annotated[
        Literal["development", "production"],
        Meta(description="production refuses settings that are only safe for development"),
    ] = "development"
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="The least severe log lines to write")
    ] = "INFO"
    log_format: Annotated[
        Literal["console", "json"], Meta(description="console writes log lines for people, json one JSON object a line")
    ] = "console"
    metrics_token: Annotated[
        str,
        Meta(description="Token that GET /metrics requires as «Authorization: Bearer …»; unset: everyone may read it"),
    ] = ""
    worker_metrics_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65_000,
            description="First port for the metrics of worker processes, each on a port of its own; only this machine "
            "reaches them unless METRICS_TOKEN is set; 0 is off",
        ),
    ] = 0

    config_file: Annotated[
        str, Meta(description="TOML file of plans and model providers; unset: parley.toml if there is one")
    ] = ""
    database_url: Annotated[
        str,
        Meta(
            description="sqlite:/// and the path of a file, which the first start makes; or postgresql://user:password@host/name"
        ),
    ] = "sqlite:///parley.db"
    redis_url: Annotated[
        str, Meta(description="redis://host:6379/0, for several processes and separate workers; needs PostgreSQL")
    ] = ""
    jwt_secret: Annotated[
        Words,
        Meta(
            description="Secrets of at least 32 bytes: the first signs, all verify; unset: one is "
            "made and stored in .parley-secret"
        ),
    ] = ()
    access_token_expire_minutes: Annotated[
        int, Meta(ge=1, le=1_440, description="Lifetime of an access token, in minutes; a day at most")
    ] = 15
    refresh_token_expire_days: Annotated[
        int, Meta(ge=1, le=36_500, description="Lifetime of a session that is not refreshed, in days")
    ] = 30
    session_max_days: Annotated[
        int,
        Meta(
            ge=1, le=36_500, description="Days from a sign-in to the end of its session, however often it is refreshed"
        ),
    ] = 365
    public_url: Annotated[
        str, Meta(description="URL at which clients reach this API; unset: links in responses are paths")
    ] = ""
    frontend_url: Annotated[
        str, Meta(description="URL of your product, to which payments return; unset: a plain page of this server")
    ] = ""
    trusted_proxies: Annotated[
        Words,
        Meta(
            description="Addresses or networks of proxies whose X-Forwarded-For header is trusted; none: there is no "
            "proxy; production asks for one or the other"
        ),
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
        Words,
        Meta(
            description="Origins whose pages may call this API from a browser; * is any origin and "
            "refused in production"
        ),
    ] = ()

    allow_plain_connections: Annotated[
        tuple[Literal["postgresql", "redis"], ...],
        Meta(description="Stores that production may reach without TLS, in a network that nothing else reaches"),
    ] = ()
    docs: Annotated[
        Literal["auto", "on", "off"],
        Meta(description="Whether /docs and /openapi.json are served; auto is on in development and off in production"),
    ] = "auto"

    otp_sender: Annotated[
        tuple[Literal["response", "email", "sms"], ...],
        Meta(description="How one-time codes are sent: email, sms, or both; response shows them in the HTTP response"),
    ] = ("response",)
    allow_shown_codes: Annotated[
        bool,
        Meta(
            description="1 answers other machines, and by other names than localhost, though OTP_SENDER=response shows "
            "codes to every caller"
        ),
    ] = False
    otp_expire_seconds: Annotated[int, Meta(ge=30, le=600, description="Lifetime of a one-time code")] = 600
    otp_resend_seconds: Annotated[
        int, Meta(ge=0, le=86_400, description="Shortest time between two codes for one identity")
    ] = 60
    otp_max_sends_per_hour: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Largest number of codes per hour for one identity")
    ] = 5
    auth_requests_per_minute: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Largest number of calls to the public auth endpoints per minute from one address; 0 is no "
            "limit, refused in production",
        ),
    ] = 60
    password_attempts_per_hour: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Largest number of password attempts, and of sign-ups, per hour for one identity from one "
            "network or known device; 0 is no limit, refused in production",
        ),
    ] = 60
    smtp_server: Annotated[str, Meta(description="The mail server for OTP_SENDER=email")] = ""
    smtp_port: Annotated[
        int, Meta(ge=1, le=65_535, description="Port of the mail server; 465 uses TLS from the start")
    ] = 587
    smtp_username: Annotated[str, Meta(description="User name at the mail server; unset: no login")] = ""
    smtp_password: Annotated[str, Meta(description="Password at the mail server")] = ""
    smtp_from: Annotated[
        str, Meta(description="Sender of the mails, such as Acme Chat <no-reply@acme.example>; the text names it too")
    ] = ""
    smtp_security: Annotated[
        Literal["auto", "starttls", "tls", "none"],
        Meta(
            description="auto uses TLS on port 465 and STARTTLS on others, which only a server on this machine may lack"
        ),
    ] = "auto"
    sms_webhook_url: Annotated[
        str, Meta(description='URL of the gateway for OTP_SENDER=sms, which receives {"to": …, "text": …} by POST')
    ] = ""
    sms_webhook_token: Annotated[str, Meta(description="Token sent to the gateway as «Authorization: Bearer …»")] = ""

    default_model: Annotated[
        str,
        Meta(
            description="Default model as provider/model; unset: the first model of the first provider "
            "with a key, else offline/echo"
        ),
    ] = ""
    model_fallbacks: Annotated[
        Words,
        Meta(
            description="Models as provider/model that are asked, in this order, when the chosen model does not answer"
        ),
    ] = ()
    offline_delay_seconds: Annotated[
        float, Meta(ge=0, le=86_400, description="Pause of the offline model before each word")
    ] = 0.03
    gemini_api_key: Annotated[str, Meta(description="API key that turns Gemini on")] = ""
    gemini_base_url: Annotated[str, Meta(description="URL of the Gemini API, if not Google's")] = ""
    gemini_api_version: Annotated[str, Meta(description="Version in the path of the Gemini API")] = "v1beta"
    gemini_models: Annotated[Words, Meta(description="Gemini models to offer")] = (
        "gemini-flash-latest",
        "gemini-pro-latest",
    )
    openai_api_key: Annotated[
        str, Meta(description="API key that turns OpenAI on, or the server at OPENAI_BASE_URL")
    ] = ""
    openai_base_url: Annotated[
        str, Meta(description="URL of another OpenAI-compatible server, which may need no key")
    ] = ""
    openai_models: Annotated[Words, Meta(description="OpenAI models to offer")] = ("gpt-5-mini", "gpt-5")
    groq_api_key: Annotated[str, Meta(description="API key that turns Groq on")] = ""
    groq_base_url: Annotated[str, Meta(description="URL of Groq's OpenAI-compatible API")] = (
        "https://api.groq.com/openai/v1"
    )
    groq_models: Annotated[Words, Meta(description="Groq models to offer")] = ("llama-3.3-70b-versatile",)

    model_first_token_seconds: Annotated[
        Seconds, Meta(description="Longest wait for a model's first sign of life: text, reasoning or a keep-alive")
    ] = 300.0
    model_idle_seconds: Annotated[
        Seconds, Meta(description="Longest time without any sign of life of a model within an answer")
    ] = 120.0
    model_total_seconds: Annotated[
        Seconds, Meta(description="Longest duration of one attempt at a reply, thinking included")
    ] = 900.0
    model_max_attempts: Annotated[
        int,
        Meta(
            ge=1,
            le=20,
            description="Number of attempts of a model at a reply before the next of MODEL_FALLBACKS is asked, or "
            "the reply fails and its quota is returned",
        ),
    ] = 4
    context_characters: Annotated[
        int,
        Meta(
            ge=1, le=1_000_000_000, description="Largest number of characters of a room's history that a model receives"
        ),
    ] = 100_000
    reply_lease_seconds: Annotated[
        Seconds,
        Meta(
            description="Time after which another worker takes over the reply of a worker that no "
            "longer renews its lease"
        ),
    ] = 15.0
    max_pending_replies: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Largest number of unfinished replies of one account")
    ] = 20

    basic_daily_limit: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000_000,
            description="Number of messages per UTC day on the Basic plan, unless parley.toml has plans",
        ),
    ] = 5
    stripe_secret_key: Annotated[
        str, Meta(description="API key that turns Stripe on; unset: a sandbox where no money moves")
    ] = ""
    stripe_webhook_secret: Annotated[
        str,
        Meta(
            description="Signing secret of the webhook endpoint POST /webhook/stripe, which is off while this is unset"
        ),
    ] = ""
    stripe_price_id: Annotated[
        Words,
        Meta(
            description="Id of the recurring price of the Pro plan, unless parley.toml has plans; earlier prices that "
            "still count follow it"
        ),
    ] = ()
    stripe_automatic_tax: Annotated[bool, Meta(description="1 lets Stripe Tax compute taxes on the checkout page")] = (
        False
    )
    stripe_promotion_codes: Annotated[
        bool, Meta(description="1 lets customers enter promotion codes on the checkout page")
    ] = False
    stripe_api_base: Annotated[str, Meta(description="URL of the Stripe API, for tests")] = ""
    subscription_grace_days: Annotated[
        int, Meta(ge=0, le=365, description="Days for which a subscription still counts after a failed payment")
    ] = 7
    chatroom_cache_seconds: Annotated[
        float, Meta(ge=0, le=31_536_000, description="Longest lifetime of a cached list of rooms; 0 is no cache")
    ] = 600.0
