"""Builds the model providers, of the settings and of parley.toml, the catalogue of their models, and their prices."""

from collections.abc import Mapping, Sequence

from parley.adapters.models.gemini import GEMINI_URL, GeminiModel
from parley.adapters.models.offline import ECHO, THINK, OfflineModel
from parley.adapters.models.openai_compatible import OPENAI_URL, OpenAICompatibleModel
from parley.adapters.models.prices import KnownPrices, Price
from parley.core.chat.catalogue import ModelCatalogue, Provider
from parley.core.chat.language_model import LanguageModel
from parley.core.chat.title_rules import TitleRules
from parley.core.plans import Plans
from parley.settings import ConfigFile, ProviderTable, Settings, SettingsError, read_secret

NO_KEY = "none"
OFFLINE = "offline"


def configured_providers(settings: Settings, file: ConfigFile) -> dict[str, Provider]:
    """The providers that are turned on, then those of parley.toml.

    The offline model when there is none, or on demand. Raises SettingsError for a key or an address with which no
    request could be sent, and for a provider that both the settings and the file name.
    """
    found = {name: _provider(name, settings) for name in settings.providers}
    for name, table in file.providers.items():
        if name in {*found, OFFLINE}:
            raise SettingsError(f"[providers.{name}]: a provider of that name is there already; choose another name.")
        found[name] = Provider(_of_table(name, table), table.models)
    if not found or settings.default_model.startswith(f"{OFFLINE}/"):
        found[OFFLINE] = Provider(OfflineModel(settings.offline_delay_seconds), (ECHO, THINK), writes_titles=False)
    return found


def provider_addresses(settings: Settings, file: ConfigFile) -> dict[str, str]:
    """Where each provider but the offline model is asked, by which its prices are found."""
    presets = {"gemini": GEMINI_URL, "openai": OPENAI_URL}
    found = {name: getattr(settings, f"{name}_base_url") or presets.get(name, "") for name in settings.providers}
    return found | {name: table.base_url for name, table in file.providers.items()}


def model_prices(settings: Settings, file: ConfigFile, offered: Sequence[str]) -> KnownPrices:
    """Raises SettingsError for a price of a model that is not on offer."""
    for model in file.prices:
        if model not in offered:
            raise SettingsError(f'[prices."{model}"]: it is not one of the models on offer: {", ".join(offered)}.')
    own = {model: Price(each.input, each.output, each.cached_input) for model, each in file.prices.items()}
    free = {f"{OFFLINE}/{model}": Price(0, 0) for model in (ECHO, THINK)}
    return KnownPrices(provider_addresses(settings, file), {**free, **own})


def _of_table(name: str, table: ProviderTable) -> GeminiModel | OpenAICompatibleModel:
    try:
        key = read_secret(table.api_key) if table.api_key else NO_KEY
    except SettingsError as error:
        raise SettingsError(f"[providers.{name}] api_key: {error}") from error
    try:
        if table.api == "gemini":
            return GeminiModel(api_key=key, base_url=table.base_url)
        return OpenAICompatibleModel(
            api_key=key, base_url=table.base_url, label=name, stream_options=table.stream_options
        )
    except ValueError as error:
        raise SettingsError(f"[providers.{name}]: {error}") from error


def _provider(name: str, settings: Settings) -> Provider:
    """The provider by its settings `{name}_api_key`, `{name}_base_url` and `{name}_models`."""
    key, url = getattr(settings, f"{name}_api_key") or NO_KEY, getattr(settings, f"{name}_base_url")
    try:
        if name == "gemini":
            model: LanguageModel = GeminiModel(
                api_key=key, base_url=url or GEMINI_URL, api_version=settings.gemini_api_version
            )
        else:
            model = OpenAICompatibleModel(api_key=key, base_url=url or OPENAI_URL, label=name)
    except ValueError as error:
        raise SettingsError(f"{name.upper()}_API_KEY, {name.upper()}_BASE_URL: {error}") from error
    return Provider(model, getattr(settings, f"{name}_models"))


def model_catalogue(settings: Settings, plans: Plans, providers: Mapping[str, Provider]) -> ModelCatalogue:
    """Raises SettingsError for a default model or a fallback that is not on offer, and for a plan without any model."""
    names = [f"{name}/{model}" for name, provider in providers.items() for model in provider.models]
    default = settings.default_model or names[0]
    if default not in names:
        raise SettingsError(f"DEFAULT_MODEL: {default} is not one of the models on offer: {', '.join(names)}.")
    fallbacks = settings.model_fallbacks
    for fallback in fallbacks:
        if fallback not in names:
            raise SettingsError(f"MODEL_FALLBACKS: {fallback} is not one of the models on offer: {', '.join(names)}.")
    if len(set(fallbacks)) != len(fallbacks):
        raise SettingsError("MODEL_FALLBACKS: name each model once.")
    for plan in plans:
        if not any(map(plan.has_model, names)):
            raise SettingsError(f"[plans.{plan.name}] models: none of the models on offer is: {', '.join(names)}.")
    return ModelCatalogue(providers, default, fallbacks)


def title_rules(settings: Settings, catalogue: ModelCatalogue) -> TitleRules:
    """Raises SettingsError for a model that is not on offer."""
    chosen = settings.title_model
    if chosen == "off":
        return TitleRules(are_written=False)
    if chosen and chosen not in catalogue.names:
        offered = ", ".join(catalogue.names)
        raise SettingsError(f"TITLE_MODEL: {chosen} is not one of the models on offer: {offered}; or say off.")
    return TitleRules(model=chosen or None)
