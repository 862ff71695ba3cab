"""The models on offer, and the provider of each."""

from collections.abc import Mapping
from dataclasses import dataclass

from parley.core.chat.errors import ModelNotInPlan, ModelRefused, UnknownModel
from parley.core.chat.language_model import LanguageModel
from parley.core.plans import Plan


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

    `default` is one of them, and so are the `fallbacks`, each of which is asked when those before it have failed. Every
    plan has at least one of the models.
    """

    providers: Mapping[str, Provider]
    default: str
    fallbacks: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{name}/{model}" for name, provider in self.providers.items() for model in provider.models)

    def offered_to(self, plan: Plan) -> tuple[str, ...]:
        """The models of the plan that are on offer."""
        return tuple(filter(plan.has_model, self.names))

    def default_of(self, plan: Plan) -> str:
        """The default model if the plan has it, else the first one that it has."""
        return self.default if plan.has_model(self.default) else self.offered_to(plan)[0]

    def check(self, name: str, plan: Plan, *, of_room: bool = False) -> None:
        """Raises UnknownModel unless `name` is on offer, and ModelNotInPlan unless the plan has it."""
        if name not in self.names:
            raise UnknownModel(name)
        if not plan.has_model(name):
            raise ModelNotInPlan(plan, name, default=self.default_of(plan), of_room=of_room)

    def choose(self, wish: str | None, of_room: str | None, plan: Plan) -> str:
        """The wish of a message, else the model of its room, else the plan's default. Raises as `check`."""
        wishes = [name for name in (wish, of_room) if name is not None]
        chosen = wishes[0] if wishes else self.default_of(plan)
        self.check(chosen, plan, of_room=wish is None)
        return chosen

    def fallback(self, model: str, plan: Plan) -> str | None:
        """The model to ask after `model`: the plan's next fallback if it is one, else the plan's first, if any."""
        following = self.fallbacks[self.fallbacks.index(model) + 1 :] if model in self.fallbacks else self.fallbacks
        return next(filter(plan.has_model, following), None)

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
