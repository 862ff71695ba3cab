"""What the server's protocol needs from the application, and how it gets it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from parley.adapters.http.server.connections import Connections
from parley.adapters.http.server.security_headers import Header

STATE_KEY = "parley.server"


@dataclass(frozen=True, slots=True)
class ServerPorts:
    """Dependencies of the protocol. `refused` counts the code of a refusal; `headers` are those of every response."""

    connections: Connections
    new_request_id: Callable[[], str]
    refused: Callable[[str], None]
    headers: Sequence[Header]


def with_server_ports(app: ASGIApp, ports: ServerPorts) -> ASGIApp:
    """The application, which passes `ports` to the protocol in the state of its lifespan.

    A server makes the protocol itself, in each of its processes, from a class that it imports.
    """

    async def passing(scope: Scope, receive: Receive, send: Send) -> None:
        # Any: Litestar has no type for this scope.
        lifespan: Any = scope
        if lifespan["type"] == "lifespan":
            lifespan.setdefault("state", {})[STATE_KEY] = ports
        await app(scope, receive, send)

    return passing
