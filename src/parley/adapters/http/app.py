"""The ASGI application: the list of routes, middleware, CORS and error handlers."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from ipaddress import IPv4Network, ip_network
from typing import Any, cast

from litestar import Litestar, Request, Response
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.enums import HttpMethod
from litestar.exceptions import HTTPException
from litestar.middleware import DefineMiddleware
from litestar.types import ASGIApp
from uuid_utils import uuid7
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from parley.adapters.http.accounts.account import AccountController
from parley.adapters.http.accounts.api_keys import ApiKeyController
from parley.adapters.http.accounts.export import export_account
from parley.adapters.http.accounts.passwords import PasswordController
from parley.adapters.http.accounts.sessions import SessionController
from parley.adapters.http.accounts.sign_in import AuthController
from parley.adapters.http.ai_sdk.chat_ids import OneSegmentChatIds
from parley.adapters.http.ai_sdk.errors import shaped as ai_sdk_error
from parley.adapters.http.ai_sdk.routes import PROTOCOL, AiSdkController
from parley.adapters.http.auth import RequireCaller
from parley.adapters.http.billing.plans import list_plans
from parley.adapters.http.billing.sandbox_pages import CheckoutPages, SandboxPages
from parley.adapters.http.billing.subscriptions import SubscriptionController
from parley.adapters.http.billing.usage import UsageController
from parley.adapters.http.billing.webhook import WebhookController
from parley.adapters.http.chat.branches import BranchController
from parley.adapters.http.chat.feedback import FeedbackController
from parley.adapters.http.chat.messages import MessageController
from parley.adapters.http.chat.models import list_models
from parley.adapters.http.chat.reply_stream import ReplyController
from parley.adapters.http.chat.rooms import RoomController
from parley.adapters.http.chat.search import search_all
from parley.adapters.http.chat.sharing import ShareController, read_shared_copy
from parley.adapters.http.chat.socket.routes import room_socket, without_upgrade
from parley.adapters.http.chat_page.routes import chat_file, chat_page, front_page, operator_page
from parley.adapters.http.envelope import Envelope
from parley.adapters.http.errors import exception_handlers
from parley.adapters.http.health import is_live, is_ready
from parley.adapters.http.metrics import read_metrics
from parley.adapters.http.only_local import OnlyLocal
from parley.adapters.http.openai.completions import create_chat_completion
from parley.adapters.http.openai.conversations import ConversationController, ConversationItemController
from parley.adapters.http.openai.errors import shaped as openai_error
from parley.adapters.http.openai.models import get_openai_model, list_openai_models
from parley.adapters.http.openai.responses import create_response
from parley.adapters.http.openai.stored_responses import StoredResponseController
from parley.adapters.http.openapi.docs_page import docs_files, docs_page, docs_script, openapi_config, openapi_json
from parley.adapters.http.operator.routes import operator_routes
from parley.adapters.http.ports import HttpPorts
from parley.adapters.http.server.connections import Connections
from parley.adapters.http.server.head import HeadAsGet, with_head
from parley.adapters.http.server.ports import ServerPorts, with_server_ports
from parley.adapters.http.server.security_headers import security_headers
from parley.adapters.http.streaming.after_routing import SendStreams
from parley.adapters.http.untrusted_proxy import NoteUntrustedProxy

LARGEST_BODY = 1_000_000
_EXPOSED_HEADERS = (
    "Cache-Status",
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
    "X-Should-Retry",
    PROTOCOL,
)
_ALLOWED_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "X-Request-ID",
)

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}

Background = Callable[[], AbstractAsyncContextManager[None]]


def create_app(
    litestar: Litestar,
    ports: HttpPorts,
    *,
    trusted_proxies: Sequence[str],
    connections: Connections,
) -> ASGIApp:
    """The complete application around the routes.

    `trusted_proxies` are addresses or networks. Only their X-Forwarded-For counts: the client is then the right-most
    address in it that is not a trusted proxy. `connections` are for a server with parley's protocol. Raises ValueError
    for text that is neither an address nor a network.
    """
    headers = security_headers(https=ports.public_url.startswith("https://"))

    app: ASGIApp = Envelope(
        HeadAsGet(OneSegmentChatIds(SendStreams(litestar))),
        new_request_id=_new_request_id,
        meter=ports.meter,
        security_headers=headers,
    )
    app = with_server_ports(app, ServerPorts(connections, _new_request_id, ports.meter.refused, headers))
    # Outermost, so that everything inside sees the same client. Any: uvicorn has its own ASGI types.
    behind_proxies = ProxyHeadersMiddleware(cast("Any", app), trusted_hosts=_networks(trusted_proxies))
    return NoteUntrustedProxy(cast("ASGIApp", behind_proxies), is_trusted=behind_proxies.trusted_hosts.__contains__)


def _new_request_id() -> str:
    # Python's own class takes ten times as long to be written as text.
    return str(uuid7())


def create_litestar(ports: HttpPorts, *, cors_origins: Sequence[str], background: Background) -> Litestar:
    """The routes, without the envelope; the OpenAPI document is made from them.

    The context of `background` is entered at startup and left at shutdown.
    """

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None, None]:
        async with background():
            yield

    return Litestar(
        route_handlers=_routes(ports),
        middleware=[
            *([DefineMiddleware(OnlyLocal)] if ports.only_local else []),
            DefineMiddleware(RequireCaller, ports=ports),
        ],
        before_request=_before_handler,
        dependencies={"ports": Provide(lambda: ports, sync_to_thread=False, use_cache=True)},
        state=State({"ports": ports}),
        exception_handlers=exception_handlers(ports, {"/v1": openai_error, "/api/chat": ai_sdk_error}),
        request_max_body_size=LARGEST_BODY,
        cors_config=_cors(cors_origins),
        openapi_config=openapi_config(version("parley")),
        lifespan=[lifespan],
        logging_config=None,
        debug=False,
    )


def _routes(ports: HttpPorts) -> list[Any]:
    """In the order in which the OpenAPI document lists them."""
    return [
        AuthController,
        SessionController,
        PasswordController,
        AccountController,
        ApiKeyController,
        export_account,
        UsageController,
        list_models,
        RoomController,
        MessageController,
        FeedbackController,
        BranchController,
        ReplyController,
        room_socket,
        without_upgrade,
        search_all,
        ShareController,
        read_shared_copy,
        list_openai_models,
        get_openai_model,
        create_chat_completion,
        create_response,
        StoredResponseController,
        ConversationController,
        ConversationItemController,
        AiSdkController,
        list_plans,
        SubscriptionController,
        WebhookController,
        CheckoutPages,
        *((operator_routes(),) if ports.admin_token else ()),
        *((SandboxPages,) if ports.billing.sandbox else ()),
        is_live,
        is_ready,
        read_metrics,
        front_page,
        *((chat_page, chat_file) if ports.chat_page_served else ()),
        *((operator_page,) if ports.chat_page_served and ports.admin_token else ()),
        *((openapi_json, docs_page, docs_script, docs_files()) if ports.docs_served else ()),
    ]


def _networks(proxies: Sequence[str]) -> list[str]:
    """In the form that uvicorn compares: without host bits, and with the mapped form of IPv4 networks.

    A dual-stack socket reports an IPv4 peer by its mapped address (RFC 4291, 2.5.5.2).
    """
    networks = [ip_network(proxy, strict=False) for proxy in proxies]
    mapped = [
        f"::ffff:{network.network_address}/{96 + network.prefixlen}"
        for network in networks
        if isinstance(network, IPv4Network)
    ]
    return [*map(str, networks), *mapped]


def _cors(origins: Sequence[str]) -> CORSConfig | None:
    if not origins:
        return None
    return CORSConfig(
        allow_origins=[_as_browsers_send(origin) for origin in origins],
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=list(_ALLOWED_HEADERS),
        expose_headers=list(_EXPOSED_HEADERS),
        max_age=600,
    )


def _as_browsers_send(origin: str) -> str:
    """In lower case, without a slash at the end and without the default port (RFC 6454, 6.1)."""
    scheme, _, host = origin.lower().rstrip("/").partition("://")
    return f"{scheme}://{host.removesuffix(_DEFAULT_PORTS.get(scheme, ''))}" if host else scheme


async def _before_handler(request: Request[Any, Any, Any]) -> Response[None] | None:
    if request.method == HttpMethod.OPTIONS:
        return _options(request)
    _require_json(request)
    return None


def _options(request: Request[Any, Any, Any]) -> Response[None]:
    """Allows the methods of all handlers at the address; Litestar's own response has only those of the first one."""
    template = request.scope["path_template"]
    methods = {method for route in request.app.routes if route.path_format == template for method in route.methods}
    return Response(None, status_code=HTTPStatus.NO_CONTENT, headers={"Allow": with_head(methods)})


def _require_json(request: Request[Any, Any, Any]) -> None:
    headers = request.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return
    # A page of any origin can send a body without a type, and no browser would ask first.
    declared = headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "application/json" and not declared.endswith("+json"):
        raise HTTPException(status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise HTTPException(status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
