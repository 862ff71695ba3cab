"""Every setting: its type, its default and its meaning."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from parley.settings.server import Number, Seconds, Words
from parley.settings.sign_in import SignInSettings


class SettingsError(Exception):
    """A setting is wrong. The message is one line for the operator that names the variable and never its value."""


class Settings(SignInSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Durations are in seconds unless the name says otherwise. Lists are comma-separated."""

    def __repr__(self) -> str:
        shown = {field: value for field, value in msgspec.structs.asdict(self).items() if field.upper() not in SECRETS}
        return f"Settings({shown})"

    @property
    def proxies(self) -> Words:
        """The trusted proxies; none of them for TRUSTED_PROXIES=none."""
        return () if self.trusted_proxies == ("none",) else self.trusted_proxies

    @property
    def providers(self) -> Words:
        """The model providers that are turned on."""
        return tuple(name for name, switches in _PROVIDERS.items() if any(getattr(self, each) for each in switches))

    @property
    def docs_served(self) -> bool:
        return self.docs == "on" or (self.docs == "auto" and self.environment == "development")

    @property
    def chat_page_served(self) -> bool:
        return self.chat_page == "on" or (self.chat_page == "auto" and self.environment == "development")

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
    title_model: Annotated[
        str,
        Meta(
            description="Model as provider/model that writes titles of chatrooms without a name; unset: the chatroom's "
            "model; off: none does, and the first words of the first message remain"
        ),
    ] = ""
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
    token_bytes: Annotated[
        float,
        Meta(
            ge=0.1,
            le=100,
            description="Bytes of text in UTF-8 that are estimated as one token, where no provider has counted",
        ),
    ] = 4.0
    reserved_answer_tokens: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Tokens that an unfinished reply reserves for its answer, on a plan that limits tokens",
        ),
    ] = 1_000
    reply_lease_seconds: Annotated[
        Seconds,
        Meta(
            description="Time after which another worker takes over the reply of a worker that no "
            "longer renews its lease"
        ),
    ] = 15.0
    max_pending_replies: Annotated[Number, Meta(description="Largest number of unfinished replies of one account")] = 20
    max_chatrooms: Annotated[Number, Meta(description="Largest number of chatrooms of one account")] = 10_000
    max_open_streams: Annotated[
        Number,
        Meta(
            description="Largest number of reply streams, and of requests that wait for a reply, that one account has "
            "open in one API process",
        ),
    ] = 200

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
    webhook_url: Annotated[
        Words, Meta(description="URLs of your servers that receive events, such as account.created; unset: none")
    ] = ()
    webhook_secret: Annotated[
        Words,
        Meta(
            description="Secrets that sign those webhooks, required with WEBHOOK_URL: whsec_ and 24 to 64 bytes as "
            "base64; all sign, so that receivers can change from one to the next"
        ),
    ] = ()
    webhook_events: Annotated[
        tuple[
            Literal[
                "account.created",
                "account.erased",
                "plan.changed",
                "reply.completed",
                "reply.failed",
                "quota.exceeded",
            ],
            ...,
        ],
        Meta(description="Events to send; unset: all"),
    ] = ()
    webhook_message_text: Annotated[
        bool, Meta(description="1 sends the text of a reply with reply.completed and reply.failed")
    ] = False
    chatroom_cache_seconds: Annotated[
        float, Meta(ge=0, le=31_536_000, description="Longest lifetime of a cached list of rooms; 0 is no cache")
    ] = 600.0


# Read from files too, and never shown. By their names, so that no new secret is forgotten.
SECRETS = frozenset(
    name.upper()
    for name in Settings.__struct_fields__
    if name.endswith(("_key", "_password", "_secret", "_token"))
    or name in {"database_url", "redis_url", "sms_webhook_url", "webhook_url"}
)

_UNSET = {field.name for field in msgspec.structs.fields(Settings) if field.default == ""}
# What turns each on: its key, or its address where none is preset, since a server of one's own may need no key.
_PROVIDERS = {
    name.removesuffix("_api_key"): _UNSET & {name, name.replace("_api_key", "_base_url")}
    for name in Settings.__struct_fields__
    if name.endswith("_api_key")
}
