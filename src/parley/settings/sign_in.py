"""The settings of signing in: how codes are sent, and what limits that."""

from typing import Annotated, Literal

from msgspec import Meta

from parley.settings.server import Number, NumberOrZero, ServerSettings, Words


class SignInSettings(ServerSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The second part of Settings."""

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
    otp_max_sends_per_hour: Annotated[Number, Meta(description="Largest number of codes per hour for one identity")] = 5
    auth_requests_per_minute: Annotated[
        NumberOrZero,
        Meta(
            description="Largest number of calls to the public auth endpoints per minute from one address; 0 is no "
            "limit, refused in production",
        ),
    ] = 60
    password_attempts_per_hour: Annotated[
        NumberOrZero,
        Meta(
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
    sms_countries: Annotated[
        Words,
        Meta(
            description="Countries (ISO 3166-1, such as IN,US,GB) to whose numbers codes are sent; unset: all, refused "
            "in production with OTP_SENDER=sms"
        ),
    ] = ()
    sms_budget_per_hour: Annotated[
        NumberOrZero,
        Meta(
            description="Largest number of codes by SMS per hour of the whole installation; 0 is no limit, refused in "
            "production with OTP_SENDER=sms",
        ),
    ] = 1_000
    email_budget_per_hour: Annotated[
        NumberOrZero,
        Meta(
            description="Largest number of codes by e-mail per hour of the whole installation; 0 is no limit, refused "
            "in production with OTP_SENDER=email",
        ),
    ] = 10_000
    human_check: Annotated[
        tuple[Literal["signup", "send-otp", "forgot-password"], ...],
        Meta(description="Endpoints under /auth that ask for the token of a widget such as Turnstile; unset: none"),
    ] = ()
    human_check_secret: Annotated[str, Meta(description="Secret of the widget, required with HUMAN_CHECK")] = ""
    human_check_hostnames: Annotated[
        Words, Meta(description="Hosts whose pages show the widget; tokens of others do not pass; unset: all hosts")
    ] = ()
    human_check_url: Annotated[
        str, Meta(description="URL that verifies tokens: Turnstile's, or that of hCaptcha, reCAPTCHA or your own")
    ] = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
