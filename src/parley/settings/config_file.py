"""parley.toml: plans, model providers and prices of models, of which there may be any number."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from parley.core.plans import EVERY_MODEL
from parley.settings.model import Settings, SettingsError
from parley.settings.server import Number

DEFAULT_FILE = "parley.toml"

Name = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,31}$")]
Text = Annotated[str, Meta(min_length=1, max_length=200)]
Dollars = Annotated[float, Meta(ge=0, le=10**6)]
Limit = Annotated[int, Meta(ge=0, le=10**15)]


class PlanTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[plans.NAME]`: what accounts on the plan may do, as core/plans.py describes it.

    `title` is its name for people, by default NAME. `prices` are ids of recurring prices at the payment provider;
    exactly one plan has none. `trial_days` cost nothing. A limit of messages or tokens that is left out is no limit; of
    the others, that of the settings counts.
    """

    title: Text = ""
    prices: tuple[Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,255}$")], ...] = ()
    trial_days: Annotated[int, Meta(ge=0, le=730)] = 0
    messages_per_day: Limit | None = None
    tokens_per_day: Limit | None = None
    tokens_per_month: Limit | None = None
    models: Annotated[tuple[Text, ...], Meta(min_length=1)] = EVERY_MODEL
    max_pending_replies: Number | None = None
    max_rooms: Number | None = None
    max_open_streams: Number | None = None
    context_characters: Annotated[int, Meta(ge=1, le=10**9)] | None = None


class ProviderTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[providers.NAME]`: a server with the API of OpenAI or of Gemini, whose models are NAME/model.

    `api_key` is env:VARIABLE or file:PATH, so that the file itself holds no secret; a server without authentication
    needs none. With `stream_options = false` the request asks for no token counts, for servers that refuse to.
    """

    api: Literal["openai", "gemini"] = "openai"
    base_url: Annotated[str, Meta(pattern="^https?://")]
    api_key: Annotated[str, Meta(pattern="^(env|file):.")] | None = None
    models: Annotated[tuple[Text, ...], Meta(min_length=1)]
    stream_options: bool = True


class PriceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[prices."provider/model"]`: US dollars for a million tokens, instead of the price that is known of the model.

    Without `cached_input`, input that the provider has cached costs as much as other input.
    """

    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None


class ConfigFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file. Without plans, the settings make basic and pro; without providers, they choose the models."""

    plans: dict[Name, PlanTable] = {}
    providers: dict[Name, ProviderTable] = {}
    prices: dict[str, PriceTable] = {}


def read_config_file(settings: Settings) -> ConfigFile:
    """The file that PARLEY_CONFIG names, else parley.toml if there is one. Raises SettingsError with table and key."""
    path = Path(settings.parley_config or DEFAULT_FILE)
    if not settings.parley_config and not path.exists():
        return ConfigFile()
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"PARLEY_CONFIG: {path} cannot be read as text.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}.") from error
    try:
        return msgspec.convert(found, ConfigFile)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {_with_table(str(error))}.") from error


def _with_table(message: str) -> str:
    """msgspec's message after the path of tables and keys to the wrong value."""
    wrong, _, path = message.partition(" - at `")
    return f"{path.rstrip('`').removeprefix('$').lstrip('.')}: {wrong}" if path else wrong
