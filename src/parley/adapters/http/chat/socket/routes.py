"""The address of a room's WebSocket."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from litestar import WebSocket, get, websocket
from litestar.exceptions import HTTPException

from parley.adapters.http.auth import PUBLIC
from parley.adapters.http.chat.message_bodies import RoomId
from parley.adapters.http.chat.socket.session import RoomSocket
from parley.adapters.http.errors import MEDIA_TYPE, problem_of
from parley.adapters.http.ports import HttpPorts
from parley.adapters.http.streaming.frames import encode_json
from parley.core.errors import DomainError, Kind

_PATH = "/chatroom/{chatroom_id:uuid}/socket"


class OriginNotAllowed(DomainError):
    """The page that opens the WebSocket is of an origin that the settings do not name."""

    code = "origin_not_allowed"
    kind = Kind.FORBIDDEN
    detail = "Pages of this origin may not open a WebSocket here: CORS_ORIGINS names those that may."


# The token is in the first message, as a browser's WebSocket sends no header and an address would be in logs.
@websocket(_PATH, opt=PUBLIC)
async def room_socket(socket: WebSocket[Any, Any, Any], chatroom_id: RoomId) -> None:
    """A page of another origin is refused before the upgrade (OWASP ASVS 5, 4.4.2)."""
    ports: HttpPorts = socket.app.state.ports
    if _is_allowed(socket, ports):
        await RoomSocket(socket, ports, chatroom_id).serve()
    else:
        ports.meter.refused(OriginNotAllowed.code)
        await _refuse(socket)


@get(_PATH, opt=PUBLIC, include_in_schema=False)
async def without_upgrade(chatroom_id: RoomId) -> None:
    """A request that asks for no upgrade, or whose proxy has removed it (RFC 9110, 15.5.22)."""
    raise HTTPException(
        f"{chatroom_id} is read by a WebSocket",
        status_code=HTTPStatus.UPGRADE_REQUIRED,
        headers={"Upgrade": "websocket", "Connection": "Upgrade"},
    )


def _is_allowed(socket: WebSocket[Any, Any, Any], ports: HttpPorts) -> bool:
    """Whether the client is no page in a browser, or one of this server or of CORS_ORIGINS."""
    origin = socket.headers.get("origin")
    if origin is None:
        return True
    # Of an origin nothing follows the host (RFC 6454, 6.1), and urlsplit raises ValueError for some that are none.
    host = origin.lower().partition("://")[2]
    if host and host in {socket.headers.get("host", "").lower(), urlsplit(ports.public_url.lower()).netloc}:
        return True
    cors = socket.app.cors_config
    return cors is not None and cors.is_origin_allowed(origin.lower())


async def _refuse(socket: WebSocket[Any, Any, Any]) -> None:
    refusal: Any = {
        "type": "websocket.http.response.start",
        "status": HTTPStatus.FORBIDDEN.value,
        "headers": [(b"content-type", MEDIA_TYPE.encode())],
    }
    body: Any = {"type": "websocket.http.response.body", "body": encode_json(problem_of(OriginNotAllowed()))}
    await socket.send(refusal)
    await socket.send(body)
