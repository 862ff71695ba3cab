"""The HTTP endpoint that lists the models on offer."""

from typing import Annotated

from litestar import get
from msgspec import Struct

from parley.adapters.http.auth import BEARER_OR_KEY, AuthenticatedRequest
from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import MODEL, described
from parley.adapters.http.pagination import NextCursor
from parley.adapters.http.ports import Ports


class ModelBody(Struct):
    """A model that chatrooms and messages can select."""

    id: Annotated[str, described("The value of a `model` field", MODEL)]
    default: Annotated[bool, described("Whether it is used when no model is selected", True)]


class ModelsBody(Struct):
    """All models, on one page."""

    items: Annotated[list[ModelBody], described("The models")]
    next_cursor: NextCursor = None


@get(
    "/models",
    operation_id="listModels",
    summary="List the models",
    tags=("Models",),
    security=BEARER_OR_KEY,
    responses=problems(401),
)
async def list_models(request: AuthenticatedRequest, ports: Ports) -> ModelsBody:
    """The names that are valid as `model` on the account's plan. `GET /plans` has those of every plan."""
    plan, catalogue = await ports.chat.plans.of(request.user.account_id), ports.chat.catalogue
    default = catalogue.default_of(plan)
    return ModelsBody([ModelBody(name, name == default) for name in catalogue.offered_to(plan)])
