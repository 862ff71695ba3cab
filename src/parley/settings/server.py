"""The settings of the server itself: logs, stores, secrets, addresses and connections."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# The bounds are far above sensible values, so that a mistake such as inf is refused.
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Number = Annotated[int, Meta(ge=1, le=1_000_000)]
NumberOrZero = Annotated[int, Meta(ge=0, le=1_000_000)]
Days = Annotated[int, Meta(ge=1, le=36_500)]
Words = tuple[str, ...]


class ServerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The first part of Settings."""

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
    admin_token: Annotated[
        str,
        Meta(
            description="Token of at least 32 characters that /admin requires as «Authorization: Bearer …»; unset: "
            "there is no /admin"
        ),
    ] = ""
    worker_metrics_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65_000,
            description="First port for metrics and health of worker processes, each on a port of its own; only this "
            "machine reaches them unless METRICS_TOKEN is set; 0 is off",
        ),
    ] = 0

    parley_config: Annotated[
        str, Meta(description="TOML file of plans and model providers; unset: parley.toml if there is one")
    ] = ""
    database_url: Annotated[
        str,
        Meta(
            description="sqlite:/// and the path of a file, which the first start makes; or postgresql://user:password@host/name"
        ),
    ] = "sqlite:///parley.db"
    database_connections: Annotated[
        int, Meta(ge=2, le=1_000, description="Most connections of a process to PostgreSQL")
    ] = 15
    database_idle_seconds: Annotated[Seconds, Meta(description="Time until an unused one of them is closed")] = 10.0
    redis_url: Annotated[
        str, Meta(description="redis://host:6379/0, for several processes and separate workers; needs PostgreSQL")
    ] = ""
    redis_prefix: Annotated[
        str,
        Meta(description="Beginning of the names of all keys and channels in Redis, so that deployments can share one"),
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
        Days, Meta(description="Lifetime of a session that is not refreshed, in days")
    ] = 30
    session_max_days: Annotated[
        Days,
        Meta(description="Days from a sign-in to the end of its session, however often it is refreshed"),
    ] = 365
    public_url: Annotated[
        str, Meta(description="URL at which clients reach this API; unset: links in responses are paths")
    ] = ""
    frontend_url: Annotated[
        str, Meta(description="URL of your product, to which payments return; unset: the chat page, or a plain one")
    ] = ""
    trusted_proxies: Annotated[
        Words,
        Meta(
            description="Addresses or networks of proxies whose X-Forwarded-For header is trusted; none: there is no "
            "proxy; production asks for one or the other"
        ),
    ] = ()
    max_connections: Annotated[
        NumberOrZero,
        Meta(
            description="Largest number of open connections of one API process; 0 is as many as the system allows",
        ),
    ] = 10_000
    max_connections_per_address: Annotated[
        NumberOrZero,
        Meta(
            description="Largest number of them from one client address; proxies and this machine have no such limit; "
            "0 is no limit",
        ),
    ] = 500
    account_requests_per_minute: Annotated[
        NumberOrZero, Meta(description="Largest number of requests per minute of one account; 0 is no limit")
    ] = 600
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
    chat_page: Annotated[
        Literal["auto", "on", "off"],
        Meta(description="Whether /chat, the page to talk on, is served; auto is on in development, off in production"),
    ] = "auto"
