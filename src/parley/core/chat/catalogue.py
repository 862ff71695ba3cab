"""The models on offer, and the provider of each."""

from collections.abc import Mapping
from dataclasses import dataclass

from parley.core.chat.errors import ModelRefused, UnknownModel
from parley.core.chat.language_model import LanguageModel


@dataclass(frozen=True, slots=True)
class Provider:
    """One vendor or server. `models` are its own names, in the order in which they are listed.

    A model that cannot follow instructions is not asked for titles.
    """

    writer: LanguageModel
    models: tuple[str, ...]
    writes_titles: bool = True


@dataclass(frozen=True, slots=True)
class ModelCatalogue:
    """The models of all providers, each named `provider/model`.

    `default` is one of them, and so are the `fallbacks`, each of which is asked when those before it have failed.
    """

    providers: Mapping[str, Provider]
    default: str
    fallbacks: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{name}/{model}" for name, provider in self.providers.items() for model in provider.models)

    def check(self, name: str | None) -> None:
        """Raises UnknownModel unless `name` is None or on offer."""
        if name is not None and name not in self.names:
            raise UnknownModel(name)

    def choose(self, *wishes: str | None) -> str:
        """The first wish that is not None, else the default. Raises UnknownModel if that wish is not on offer."""
        chosen = next((wish for wish in wishes if wish is not None), self.default)
        self.check(chosen)
        return chosen

    def fallback(self, model: str) -> str | None:
        """The model to ask after `model`: the next fallback if it is one, else the first. None if none is left."""
        following = self.fallbacks[self.fallbacks.index(model) + 1 :] if model in self.fallbacks else self.fallbacks
        return following[0] if following else None

    def writes_titles(self, name: str) -> bool:
        """Whether the model, which is on offer, can be asked for titles."""
        return self.providers[name.partition("/")[0]].writes_titles

    def writer(self, name: str) -> tuple[LanguageModel, str]:
        """The language model behind `name`, and the provider's own name for it.

        Raises ModelRefused if `name` is no longer on offer.
        """
        provider, _, model = name.partition("/")
        if name not in self.names:
            raise ModelRefused("model_not_offered", f"The model {name!r} is no longer offered here.")
        return self.providers[provider].writer, model
