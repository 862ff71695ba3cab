"""The HTTP endpoint that lists the models on offer."""

from typing import Annotated

from litestar import get
from msgspec import Struct

from parley.adapters.http.auth import BEARER
from parley.adapters.http.errors import documented
from parley.adapters.http.openapi.fields import MODEL, described
from parley.adapters.http.pagination import NextCursor
from parley.adapters.http.ports import Ports


class ModelBody(Struct):
    """A model, by the name that chatrooms and messages take."""

    id: Annotated[str, described("What `model` takes", MODEL)]
    default: Annotated[bool, described("Whether it writes where none is named", True)]


class ModelsBody(Struct):
    """All models, on one page."""

    items: Annotated[list[ModelBody], described("The models")]
    next_cursor: NextCursor = None


@get(
    "/models",
    operation_id="listModels",
    summary="The models on offer",
    tags=("Models",),
    security=BEARER,
    responses=documented(401),
)
async def list_models(ports: Ports) -> ModelsBody:
    """The names that are valid as `model`."""
    return ModelsBody([ModelBody(name, name == ports.chat.catalogue.default) for name in ports.chat.catalogue.names])
