"""The models on offer, as OpenAI's clients list them."""

from typing import Annotated, Literal

from litestar import get
from litestar.params import PathParameter
from msgspec import Struct

from parley.adapters.http.auth import BEARER_OR_KEY, AuthenticatedRequest
from parley.adapters.http.chat.plan_limits import MODEL_NOT_IN_PLAN
from parley.adapters.http.openai.errors import openai_errors
from parley.adapters.http.openapi.fields import MODEL, described, example
from parley.adapters.http.ports import Ports
from parley.core.chat.errors import UnknownModel


class ModelObject(Struct):
    """A model that can be named in a request."""

    id: Annotated[str, described("The value of `model`", MODEL)]
    owned_by: Annotated[str, described("The provider", "offline")]
    object: Annotated[Literal["model"], described("Always `model`", "model")] = "model"
    created: Annotated[int, described("Always 0: parley does not know it", 0)] = 0


class ModelList(Struct):
    """All models on offer."""

    data: Annotated[list[ModelObject], described("The models")]
    object: Annotated[Literal["list"], described("Always `list`", "list")] = "list"


@get(
    "/v1/models",
    operation_id="listOpenAIModels",
    summary="List the models",
    tags=("OpenAI",),
    security=BEARER_OR_KEY,
    responses=openai_errors(),
)
async def list_openai_models(request: AuthenticatedRequest, ports: Ports) -> ModelList:
    """Those of the account's plan, each named `provider/model`."""
    plan = await ports.chat.plans.of(request.user.account_id)
    return ModelList([_model(name) for name in ports.chat.catalogue.offered_to(plan)])


@get(
    "/v1/models/{model:path}",
    operation_id="getOpenAIModel",
    summary="Read a model",
    tags=("OpenAI",),
    security=BEARER_OR_KEY,
    responses=openai_errors(400, UnknownModel("none/such"), MODEL_NOT_IN_PLAN),
)
async def get_openai_model(
    model: Annotated[str, PathParameter(description="A model's id, its slash encoded or not", examples=example(MODEL))],
    request: AuthenticatedRequest,
    ports: Ports,
) -> ModelObject:
    """404 `model_not_found` for one that is not on offer."""
    name = model.removeprefix("/")
    ports.chat.catalogue.check(name, await ports.chat.plans.of(request.user.account_id))
    return _model(name)


def _model(name: str) -> ModelObject:
    return ModelObject(name, owned_by=name.partition("/")[0])
