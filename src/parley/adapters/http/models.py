"""The models on offer."""

from litestar import get
from msgspec import Struct

from parley.adapters.http.auth import BEARER
from parley.adapters.http.ports import Ports
from parley.adapters.http.problems import documented


class ModelBody(Struct):
    """A model by the name that rooms and messages take; one is the default."""

    id: str
    default: bool


class ModelsBody(Struct):
    items: list[ModelBody]
    next_cursor: str | None = None


@get(
    "/models",
    operation_id="listModels",
    summary="The models on offer",
    tags=("Models",),
    security=BEARER,
    responses=documented(401),
)
async def list_models(ports: Ports) -> ModelsBody:
    """What may be named as `model`."""
    return ModelsBody([ModelBody(name, name == ports.catalogue.default) for name in ports.catalogue.names])
