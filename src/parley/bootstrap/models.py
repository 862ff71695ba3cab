"""Which models are on offer."""

from collections.abc import Mapping

from parley.adapters.gemini import GeminiModel
from parley.adapters.offline_model import OfflineModel
from parley.adapters.openai_compatible import OpenAICompatibleModel
from parley.core.chat.catalogue import ModelCatalogue, Provider
from parley.settings import Settings, SettingsError

# Named here and not left to the SDKs: those would read the environment, which is for settings alone to read.
GEMINI = "https://generativelanguage.googleapis.com"
OPENAI = "https://api.openai.com/v1"
NO_KEY = "none"


def configured_providers(settings: Settings) -> dict[str, Provider]:
    """The providers that have a key or an address of their own; the offline model when there is none, or on demand."""
    found: dict[str, Provider] = {}
    if settings.gemini_api_key or settings.gemini_base_url:
        gemini = GeminiModel(
            api_key=settings.gemini_api_key or NO_KEY,
            base_url=settings.gemini_base_url or GEMINI,
            api_version=settings.gemini_api_version,
        )
        found["gemini"] = Provider(gemini, settings.gemini_models)
    if settings.openai_api_key or settings.openai_base_url:
        openai = OpenAICompatibleModel(
            api_key=settings.openai_api_key or NO_KEY, base_url=settings.openai_base_url or OPENAI
        )
        found["openai"] = Provider(openai, settings.openai_models)
    if settings.groq_api_key:
        groq = OpenAICompatibleModel(api_key=settings.groq_api_key, base_url=settings.groq_base_url, label="groq")
        found["groq"] = Provider(groq, settings.groq_models)
    if not found or settings.default_model.startswith("offline/"):
        found["offline"] = Provider(OfflineModel(settings.offline_delay_seconds), ("echo",))
    return found


def model_catalogue(settings: Settings, providers: Mapping[str, Provider]) -> ModelCatalogue:
    """Raises SettingsError for a default that is not on offer."""
    names = [f"{name}/{model}" for name, provider in providers.items() for model in provider.models]
    default = settings.default_model or names[0]
    if default not in names:
        raise SettingsError(f"DEFAULT_MODEL: {default} is not one of the models on offer: {', '.join(names)}.")
    return ModelCatalogue(providers, default)
